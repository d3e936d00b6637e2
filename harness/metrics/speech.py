"""How one speaker talks: length, variety, repetition, questions, reading ease. Sources in docs/metrics.md.

Invariants:
- Shares are in [0, 1]; what can't be computed (no words, no earlier turn) is None, never a made-up 0.
- The cost of a turn is bounded: it is compared with the last few own turns, not with all of them.
"""

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import sqrt
from typing import Any

from harness.config.guard import GuardConfig
from harness.guard.features import features
from harness.guard.repetition import Voice
from harness.text import FUNCTION_WORDS, Parsed, ngrams, parse, word_set
from harness.types import Speaker

_COMPARED = 12
_WORN_OUT_SHARE = 0.25
_WORN_OUT_TURNS = 3
_VOWELS = re.compile(r"[aeiouy]+")
_FILLERS = word_set("ah alright and but hmm mm oh ok okay right so sure um uh well yeah yes")


@dataclass(frozen=True, slots=True)
class Utterance:
    """A turn cut up once for all measures."""

    index: int
    parsed: Parsed
    trigrams: frozenset[tuple[str, ...]]
    phrases: frozenset[tuple[str, ...]]
    """Runs of four words."""

    @property
    def words(self) -> tuple[str, ...]:
        return self.parsed.words

    @classmethod
    def of(cls, index: int, text: str) -> "Utterance":
        parsed = parse(text)
        return cls(index, parsed, ngrams(parsed.words, 3), ngrams(parsed.words, 4))


def speech(
    own: Sequence[Utterance], speaker: Speaker, words_of_all: int, repeating: int | None = None
) -> dict[str, Any]:
    """All measures of one speaker's turns. `words_of_all` counts the words of both speakers.

    `repeating` is how many turns repeat the speaker, where somebody looked already.
    """
    lengths = [len(turn.words) for turn in own]
    total = sum(lengths)
    questions = [sum(sentence.question for sentence in turn.parsed.sentences) for turn in own]
    pairs = [ngrams(turn.words, 2) for turn in own]
    return {
        "turns": len(own),
        "words": total,
        "talk_share": _share(total, words_of_all),
        "words_per_turn": _round(mean(lengths)),
        "words_per_turn_sd": _round(deviation(lengths)),
        "distinct_1": _share(len({word for turn in own for word in turn.words}), total),
        "distinct_2": _share(len(set().union(*pairs)), sum(max(0, length - 1) for length in lengths)),
        "repeating_turns": _share(count_repeating(own, speaker) if repeating is None else repeating, len(own)),
        "repetition": repetition(own),
        "similarity": similarity(pairs),
        **worn_out(own),
        **common_opening(own),
        "question_rate": _share(sum(map(bool, questions)), len(own)),
        "questions_per_turn": _round(mean(questions)),
        "reading_ease": reading_ease(own),
    }


def count_repeating(own: Sequence[Utterance], speaker: Speaker) -> int:
    """Number of turns in which the guard's detectors, at their defaults, find a loop or a repeat.

    Computed from the texts alone, so sessions with the guard on, off or set otherwise can be compared.
    """
    voice = Voice(speaker, GuardConfig())
    found = 0
    for turn in own:
        cut = features(turn.index, turn.parsed)
        found += bool(voice.loops(cut) or voice.repeats(cut))
        voice.add(cut)
    return found


def repetition(own: Sequence[Utterance]) -> float | None:
    """Share of 4-word runs that the speaker said in an earlier turn; the first turn counts for nothing."""
    said: set[tuple[str, ...]] = set()
    again = total = 0
    for turn in own:
        runs = turn.phrases
        if said:
            again += len(runs & said)
            total += len(runs)
        said |= runs
    return _share(again, total)


def similarity(turns: Sequence[frozenset[tuple[str, ...]]]) -> float | None:
    """Mean over turns of the greatest Jaccard index with one of the last 12 own turns; turns as sets of word pairs."""
    recent: deque[frozenset[tuple[str, ...]]] = deque(maxlen=_COMPARED)
    best: list[float] = []
    for pairs in filter(None, turns):
        if recent:
            best.append(max(_jaccard(pairs, old) for old in recent))
        recent.append(pairs)
    return _round(mean(best))


def _jaccard(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def worn_out(own: Sequence[Utterance]) -> dict[str, Any]:
    """Phrases that come in at least a quarter of the turns and in three: see `_has_matter`."""
    limit = max(_WORN_OUT_TURNS, _WORN_OUT_SHARE * len(own))
    threes = Counter[tuple[str, ...]](chain.from_iterable(turn.trigrams for turn in own))
    often = {run: times for run, times in threes.items() if times >= limit}
    if often:  # a run of four words is no more frequent than its first three
        fours = Counter(run for turn in own for run in turn.phrases if run[:3] in often)
        often |= {run: times for run, times in fours.items() if times >= limit}
    worn = {run: times for run, times in often.items() if _has_matter(run)}
    top = sorted(worn.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))
    return {
        "worn_out_share": _share(sum(_holds_any(turn, worn) for turn in own), len(own)),
        "worn_out": [{"phrase": " ".join(run), "turns": times} for run, times in top[:3]],
    }


def _holds_any(turn: Utterance, runs: Mapping[tuple[str, ...], int]) -> bool:
    return not (turn.trigrams.isdisjoint(runs) and turn.phrases.isdisjoint(runs))


def _has_matter(run: Sequence[str]) -> bool:
    """Three words of which two carry meaning, or four of which one does."""
    return sum(word not in FUNCTION_WORDS for word in run) >= 5 - len(run)


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
    count = sum(len(turn.parsed.sentences) for turn in own)
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


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
