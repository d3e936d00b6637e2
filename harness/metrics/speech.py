"""How one speaker talks: length, variety, repetition, questions, reading ease. Sources in docs/metrics.md.

Invariants:
- Shares are in [0, 1]; what can't be computed (no words, no earlier turn) is None, never a made-up 0.
- The cost of a turn is bounded: it is compared with the last few own turns, not with all of them.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from math import sqrt
from typing import Any

import numpy as np

from harness.config.guard import GuardConfig
from harness.guard.features import features
from harness.guard.repetition import Voice
from harness.metrics.runs import Runs, Words
from harness.text import FUNCTION_WORDS, Said, word_set
from harness.types import Speaker, Turn

_COMPARED = 12
_WORN_OUT_SHARE = 0.25
_WORN_OUT_TURNS = 3
_VOWELS = re.compile(r"[aeiouy]+")
_FILLERS = word_set("ah alright and but hmm mm oh ok okay right so sure um uh well yeah yes")


def speech(said: Sequence[Said], words: Words, places: Sequence[int], repeating: int) -> dict[str, Any]:
    """All measures of one speaker's turns, which stand at `places` in the session.

    `words` are those of all turns; `repeating` is how many of this speaker's turns repeat it.
    """
    own = [said[place] for place in places]
    lengths = [len(turn.words) for turn in own]
    total = sum(lengths)
    questions = [sum(sentence.question for sentence in turn.sentences) for turn in own]
    held = words.of([place for place in places if len(said[place].words) > 1])
    twos, fours = held.twos(), held.fours()
    return {
        "turns": len(own),
        "words": total,
        "talk_share": _share(total, words.number.size),
        "words_per_turn": _round(mean(lengths)),
        "words_per_turn_sd": _round(deviation(lengths)),
        "distinct_1": _share(len(set[str]().union(*[turn.words for turn in own])), total),
        "distinct_2": _share(twos.different, sum(max(0, length - 1) for length in lengths)),
        "repeating_turns": _share(repeating, len(own)),
        "repetition": repetition(fours),
        "similarity": similarity(twos),
        **worn_out(held, fours, len(own)),
        **common_opening(own),
        "question_rate": _share(sum(map(bool, questions)), len(own)),
        "questions_per_turn": _round(mean(questions)),
        "reading_ease": reading_ease(own),
    }


def count_repeating(turns: Sequence[Turn], speaker: Speaker) -> int:
    """Number of the speaker's turns in which the guard's detectors, at their defaults, find a loop or a repeat.

    Computed from the texts alone, so sessions with the guard on, off or set otherwise can be compared.
    """
    voice = Voice(speaker, GuardConfig())
    found = 0
    for turn in turns:
        if turn.speaker != speaker:
            continue
        cut = features(turn.index, turn.text)
        found += bool(voice.loops(cut) or voice.repeats(cut))
        voice.add(cut)
    return found


def repetition(fours: Runs) -> float | None:
    """Share of 4-word runs that the speaker said in an earlier turn; the first turn with one counts for nothing."""
    every = fours.run.size
    first = fours.sizes[fours.sizes > 0][:1].sum()
    return _share(every - fours.different, every - int(first))


def similarity(twos: Runs) -> float | None:
    """Mean over turns of the greatest Jaccard index with one of the last 12 own turns; turns as sets of word pairs."""
    common, sizes = twos.shared(_COMPARED), twos.sizes
    before = np.arange(sizes.size)[:, None] - np.arange(1, _COMPARED + 1)
    both = sizes[:, None] + np.where(before >= 0, sizes[np.maximum(before, 0)], 0) - common
    return _round(mean((common / both).max(axis=1)[1:].tolist()))


def worn_out(words: Words, fours: Runs, turns: int) -> dict[str, Any]:
    """Phrases that come in at least a quarter of the turns and in three: see `_has_matter`. `fours` are `words`' own."""
    limit = max(_WORN_OUT_TURNS, _WORN_OUT_SHARE * turns)
    worn: dict[tuple[str, ...], list[int]] = {}
    for length in (3, 4):
        runs, spell = (words.threes(), words.three) if length == 3 else (fours, words.four)
        often = {spell(run): holders for run, holders in runs.in_many(limit).items()}
        if not often:  # a run of four words is no more frequent than its first three
            break
        worn |= {phrase: holders for phrase, holders in often.items() if _has_matter(phrase)}
    top = sorted(worn.items(), key=lambda item: (-len(item[1]), -len(item[0]), item[0]))
    return {
        "worn_out_share": _share(len(set(chain.from_iterable(worn.values()))), turns),
        "worn_out": [{"phrase": " ".join(phrase), "turns": len(holders)} for phrase, holders in top[:3]],
    }


def _has_matter(run: Sequence[str]) -> bool:
    """Three words of which two carry meaning, or four of which one does."""
    return sum(word not in FUNCTION_WORDS for word in run) >= 5 - len(run)


def common_opening(own: Sequence[Said]) -> dict[str, Any]:
    """The word that most turns begin with (fillers such as `well` left out), and the share of turns that do."""
    counts = Counter(word for turn in own if (word := _first_word(turn.words)))
    if not counts:
        return {"opening": None, "opening_share": None}
    word, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"opening": word, "opening_share": _share(times, len(own))}


def reading_ease(own: Sequence[Said]) -> float | None:
    """Flesch (1948) for English: 206.835 - 1.015 words per sentence - 84.6 syllables per word."""
    counts = list(map(syllables, chain.from_iterable(turn.words for turn in own)))
    english, sentences = len(counts) - counts.count(0), sum(len(turn.sentences) for turn in own)
    if not english or not sentences:
        return None
    return round(206.835 - 1.015 * english / sentences - 84.6 * sum(counts) / english, 1)


@lru_cache(maxsize=16384)
def syllables(word: str) -> int:
    """Groups of vowels, a silent final e left out; at least 1 in an English word, and 0 in one of other letters."""
    if not word.isascii():
        return 0
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
