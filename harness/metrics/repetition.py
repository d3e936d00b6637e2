"""How a speaker repeats runs of two, three and four words. Definitions: docs/metrics.md.

Invariants:
- What can't be computed (no words, no earlier turn) is None, never a made-up 0.
- Only `similarity` compares turns in pairs, each with the last few of its speaker; the rest is found by sorting.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np

from harness.metrics.ngrams import NGrams, Words
from harness.metrics.registry import headline
from harness.metrics.shares import mean, rounded, share
from harness.text.words import FUNCTION_WORDS

_COMPARED = 12
_WORN_OUT_SHARE = 0.25
_WORN_OUT_TURNS = 3


@dataclass(frozen=True, slots=True)
class Repetition:
    """The repetition of one speaker."""

    pairs: int
    """Number of distinct word pairs."""
    repetition: float | None
    """Share of word 4-grams that the speaker said in an earlier turn; the first turn that has any is not counted."""
    similarity: float | None
    """Mean over turns of the highest Jaccard index of word pairs with one of the speaker's last 12 turns."""
    worn_out: Mapping[str, Any]
    """`worn_out_share` and `worn_out`: phrases in at least a quarter of the turns, and at least three."""


def repetitions(
    words: Words, spoken: Sequence[Sequence[int]], answers: Collection[int] = frozenset()
) -> list[Repetition]:
    """One `Repetition` for each speaker. `words` are those of all turns, `spoken` the indices of each speaker's turns.

    Turns with an index in `answers` (`yes`, `mm-hmm, okay`) are left out: everybody repeats them.
    """
    lengths = np.bincount(words.turn, minlength=words.group.size).tolist()
    counted = [[place for place in places if lengths[place] > 1 and place not in answers] for places in spoken]
    apart = words.apart(counted)
    twos, fours = apart.twos(), apart.fours()
    bounds = list(pairwise(accumulate(map(len, counted), initial=0)))
    return [
        Repetition(*measures)
        for measures in zip(
            twos.different(),
            _repetition(fours, bounds),
            _similarity(twos, bounds),
            _worn_out(apart, fours, list(map(len, spoken))),
            strict=True,
        )
    ]


@headline(
    "therapist.repetition",
    label="therapist's word 4-grams said before",
    group="Repetition",
    share=True,
    better="lower",
)
def _repetition(fours: NGrams, bounds: Sequence[tuple[int, int]]) -> list[float | None]:
    sizes = fours.sizes.tolist()
    return [
        share(sum(own) - different, sum(own) - next(filter(None, own), 0))
        for different, own in zip(fours.different(), (sizes[begin:end] for begin, end in bounds), strict=True)
    ]


def _similarity(twos: NGrams, bounds: Sequence[tuple[int, int]]) -> list[float | None]:
    common, sizes = twos.shared(_COMPARED), twos.sizes
    # Turns of another speaker share nothing, so they are never the most similar.
    before = np.arange(sizes.size)[:, None] - np.arange(1, _COMPARED + 1)
    both = sizes[:, None] + np.where(before >= 0, sizes[np.maximum(before, 0)], 0) - common
    greatest = (common / both).max(axis=1).tolist()
    return [rounded(mean(greatest[begin + 1 : end])) for begin, end in bounds]


@headline(
    "therapist.worn_out_share",
    label="therapist turns with an overused phrase",
    group="Repetition",
    share=True,
    better="lower",
)
def _worn_out(words: Words, fours: NGrams, turns: Sequence[int]) -> list[Mapping[str, Any]]:
    """`turns` is the number of turns of each speaker."""
    least = [max(_WORN_OUT_TURNS, _WORN_OUT_SHARE * number) for number in turns]
    worn: list[dict[tuple[str, ...], list[int]]] = [{} for _ in turns]
    for length in (3, 4):
        runs, spell = (words.threes(), words.three) if length == 3 else (fours, words.four)
        often = runs.in_many(least)
        if not any(often):  # a run of four words is no more frequent than its first three
            break
        for phrases, found in zip(worn, often, strict=True):
            spelt = {spell(run): holders for run, holders in found.items()}
            phrases |= {phrase: holders for phrase, holders in spelt.items() if _has_content(phrase)}
    return [_as_dict(phrases, number) for phrases, number in zip(worn, turns, strict=True)]


def _as_dict(phrases: Mapping[tuple[str, ...], Sequence[int]], turns: int) -> Mapping[str, Any]:
    top = sorted(phrases.items(), key=lambda item: (-len(item[1]), -len(item[0]), item[0]))
    return {
        "worn_out_share": share(len(set(chain.from_iterable(phrases.values()))), turns),
        "worn_out": [{"phrase": " ".join(phrase), "turns": len(holders)} for phrase, holders in top[:3]],
    }


def _has_content(run: Sequence[str]) -> bool:
    """Whether three words contain at least two content words, or four words at least one."""
    return len(run) - sum(map(FUNCTION_WORDS.__contains__, run)) >= 5 - len(run)
