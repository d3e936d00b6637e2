"""Statistics of English: how specific a word is, and whether words follow one another as in sentences.

Both come from counts over this library's own texts (`scripts/train_english.py`), kept in `english.json`. They
distinguish a patient's own topics from everyday words, and sentences from a list of words; they ignore meaning.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

from harness.text.memo import memo
from harness.text.words import FUNCTION_WORDS, word_set

FILE = Path(__file__).with_name("english.json")

STOCK = word_set(
    """
    afraid alone angry anxious believ brave care carry chang conversation courag difficult emotion energy experienc feeling
    frighten gentl hard heal hear heart heavy help honest hope hurt import journey listen lone lov mind moment notic
    overwhelm pain part patient peac person process proud respect sad safe sens session shar situation sorry sound spac
    step story strength strong struggl support talk tell thank thought tired trust truth understand valid valu word worry
    wonder time life world people someone somebody everyone nobody day today week week good bad great come came put look see
    tough challeng explor reflect appreciat welcom comfort calm deep deeply true truly learn growth grow goal focus positiv
    happen curious question answ pace slow gentle breath body mean matter whole kind begin began start end stop wait stay
    """
)
"""Stems that any therapist says to anybody, so they show no listening."""
COMMON_DOCUMENTS = 60
"""A stem in at least this many documents (of about ninety) has the lowest specificity; one in none has 1."""
STOCK_WEIGHT = 0.12
"""The lowest specificity; all stems of `STOCK` have it."""
SMOOTH = 0.3
"""Added to observed and expected counts of pairs."""
SENTENCE, HEAP = 0.12, -0.25
"""Mean log ratio of a turn's word pairs: sentences lie above the first value, lists of words below the second.

Of held-out turns, 5% lie below the first; of the same turns with their words shuffled, 95% lie below zero.
"""
LENIENT = 0.3
"""Added to the coherence of a single sentence before it lowers that of the turn."""
FEWEST = 6
"""Least number of word pairs of a turn for a measurement."""
ALONE = 10
"""Least number of words of a sentence for a measurement of its own: shorter ones are often odd."""
BARE = 4
"""A sentence of at least this many words without a function word is a list."""


@memo
def specificity(stem: str) -> float:
    """How specific a stem is, from `STOCK_WEIGHT` (anybody says it) to 1 (in none of the counted documents)."""
    if stem in STOCK:
        return STOCK_WEIGHT
    share = 1 - log(1 + _counts()["documents"].get(stem, 0)) / log(1 + COMMON_DOCUMENTS)
    return max(STOCK_WEIGHT, min(1.0, share))


def coherence(sentences: Iterable[Sequence[str]]) -> float:
    """How much a turn reads as English sentences, from 0 (a list of words) to 1; 1 for a few words.

    One incoherent sentence caps the result; the cap is at least `LENIENT`.
    """
    total, pairs, worst = 0.0, 0, 1.0
    for words in sentences:
        classes = ["^", *map(word_class, words), "$"]
        own = sum(map(_follows, pairwise(classes)))
        total += own
        pairs += len(classes) - 1
        if len(words) >= BARE and FUNCTION_WORDS.isdisjoint(words):
            worst = min(worst, LENIENT)
        if len(words) >= ALONE:
            worst = min(worst, LENIENT + _between(own / (len(classes) - 1)))
    return min(worst, _between(total / pairs)) if pairs >= FEWEST else worst


def _between(mean: float) -> float:
    return max(0.0, min(1.0, (mean - HEAP) / (SENTENCE - HEAP)))


@memo
def word_class(word: str) -> str:
    """A function word itself; for any other word the class of its ending, such as `#ing`."""
    if word in FUNCTION_WORDS:
        return word
    if word.isdigit():
        return "#0"
    return next((f"#{end}" for end in ("ing", "ed", "ly", "s") if len(word) > len(end) + 2 and word.endswith(end)), "#")


@memo
def _follows(pair: tuple[str, str]) -> float:
    """Log of the observed count of the pair over the count expected by chance, both smoothed."""
    first, second = pair
    counts = _counts()
    expected = counts["first"].get(first, 0) * counts["second"].get(second, 0) / counts["total"]
    return log((counts["pairs"].get(f"{first} {second}", 0) + SMOOTH) / (expected + SMOOTH))


@cache
def _counts() -> Mapping[str, Any]:
    counts: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    pairs: Mapping[str, int] = counts["pairs"]
    first, second = dict[str, int](), dict[str, int]()
    for pair, times in pairs.items():
        one, other = pair.split(" ")
        first[one] = first.get(one, 0) + times
        second[other] = second.get(other, 0) + times
    return {**counts, "first": first, "second": second, "total": sum(pairs.values())}
