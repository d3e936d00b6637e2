"""How one speaker talks: length, variety, repetition, questions, reading ease. Sources in docs/metrics.md.

Invariants:
- Shares are in [0, 1]; what can't be computed (no words, no earlier turn) is None, never a made-up 0.
- The cost of a turn is bounded: it is compared with the last few own turns, not with all of them.
"""

import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

from harness.text import FUNCTION_WORDS, ngrams, sentences, word_set, words

_COMPARED = 12
_WORN_OUT_SHARE = 0.25
_WORN_OUT_TURNS = 3
_VOWELS = re.compile(r"[aeiouy]+")
_QUESTION_MARKS = ("?", "？", "؟")
_FILLERS = word_set("ah alright and but hmm mm oh ok okay right so sure um uh well yeah yes")


@dataclass(frozen=True, slots=True)
class Utterance:
    """A turn cut up once for all measures."""

    index: int
    words: tuple[str, ...]
    sentences: tuple[str, ...]

    @classmethod
    def of(cls, index: int, text: str) -> "Utterance":
        return cls(index, tuple(words(text)), tuple(sentences(text)))


def speech(own: Sequence[Utterance], words_of_all: int) -> dict[str, Any]:
    """All measures of one speaker's turns. `words_of_all` counts the words of both speakers."""
    lengths = [len(turn.words) for turn in own]
    total = sum(lengths)
    questions = [sum(_is_question(sentence) for sentence in turn.sentences) for turn in own]
    return {
        "turns": len(own),
        "words": total,
        "talk_share": _share(total, words_of_all),
        "words_per_turn": _round(mean(lengths)),
        "words_per_turn_sd": _round(deviation(lengths)),
        "distinct_1": distinct(own, 1),
        "distinct_2": distinct(own, 2),
        "repetition": repetition(own),
        "similarity": similarity(own),
        **worn_out(own),
        **common_opening(own),
        "question_rate": _share(sum(map(bool, questions)), len(own)),
        "questions_per_turn": _round(mean(questions)),
        "reading_ease": reading_ease(own),
    }


def distinct(own: Sequence[Utterance], n: int) -> float | None:
    """Distinct n-grams as a share of all n-grams (Li et al. 2016)."""
    grams = [gram for turn in own for gram in zip(*(turn.words[i:] for i in range(n)), strict=False)]
    return _share(len(set(grams)), len(grams))


def repetition(own: Sequence[Utterance]) -> float | None:
    """Share of 4-word runs that the speaker said in an earlier turn; the first turn counts for nothing."""
    said: set[tuple[str, ...]] = set()
    again = total = 0
    for turn in own:
        grams = ngrams(turn.words, 4)
        if said:
            again += len(grams & said)
            total += len(grams)
        said |= grams
    return _share(again, total)


def similarity(own: Sequence[Utterance]) -> float | None:
    """Mean over turns of the greatest Jaccard index of word pairs with one of the last 12 own turns."""
    recent: deque[frozenset[tuple[str, ...]]] = deque(maxlen=_COMPARED)
    best: list[float] = []
    for turn in own:
        pairs = ngrams(turn.words, 2)
        if not pairs:
            continue
        if recent:
            best.append(max(len(pairs & old) / len(pairs | old) for old in recent))
        recent.append(pairs)
    return _round(mean(best))


def worn_out(own: Sequence[Utterance]) -> dict[str, Any]:
    """Phrases of four words, one of them with meaning, that come in at least a quarter of the turns and in three."""
    phrases = [frozenset(gram for gram in ngrams(turn.words, 4) if not FUNCTION_WORDS.issuperset(gram)) for turn in own]
    counts = Counter(gram for turn in phrases for gram in turn)
    limit = max(_WORN_OUT_TURNS, _WORN_OUT_SHARE * len(own))
    worn = {gram: times for gram, times in counts.items() if times >= limit}
    top = sorted(worn.items(), key=lambda item: (-item[1], item[0]))[:3]
    return {
        "worn_out_share": _share(sum(not turn.isdisjoint(worn) for turn in phrases), len(own)),
        "worn_out": [{"phrase": " ".join(gram), "turns": times} for gram, times in top],
    }


def common_opening(own: Sequence[Utterance]) -> dict[str, Any]:
    """The word that most turns begin with (fillers such as `well` left out), and the share of turns that do."""
    counts = Counter(word for turn in own if (word := _first_word(turn.words)))
    if not counts:
        return {"opening": None, "opening_share": None}
    word, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"opening": word, "opening_share": _share(times, len(own))}


def reading_ease(own: Sequence[Utterance]) -> float | None:
    """Flesch (1948) for English: 206.835 - 1.015 words per sentence - 84.6 syllables per word."""
    said = [word for turn in own for word in turn.words if word.isascii()]
    count = sum(len(turn.sentences) for turn in own)
    if not said or not count:
        return None
    return round(206.835 - 1.015 * len(said) / count - 84.6 * sum(map(syllables, said)) / len(said), 1)


@lru_cache(maxsize=16384)
def syllables(word: str) -> int:
    """Groups of vowels, a silent final e left out; at least 1."""
    groups = len(_VOWELS.findall(word))
    silent = word.endswith("e") and not word.endswith(("le", "ee", "ye")) and groups > 1
    return max(1, groups - silent)


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def deviation(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample; None below two values."""
    if len(values) < 2:
        return None
    centre = sum(values) / len(values)
    return sqrt(sum((value - centre) ** 2 for value in values) / (len(values) - 1))


def _first_word(tokens: Sequence[str]) -> str:
    return next((word for word in tokens if word not in _FILLERS), "")


def _is_question(sentence: str) -> bool:
    return sentence.rstrip("\"'”’)* ").endswith(_QUESTION_MARKS)


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
