"""What a reader of English brings along: how telling a word is, and whether words follow one another as in sentences.

Both are counts over this library's own texts (`scripts/train_english.py`), kept in `english.json`. They are there to tell
a patient's particulars from everyday words, and sentences from a heap of words; they know nothing of meaning.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from math import log
from pathlib import Path
from typing import Any

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
"""Stems that any therapist says to anybody: to hear them shows nothing."""
TELLING = 60
"""Documents (of about ninety) from which on a word tells nothing; one that is in none tells most."""
STOCK_WEIGHT = 0.12
SMOOTH = 0.3
"""Added to observed and expected pairs."""
SENTENCE, HEAP = 0.12, -0.25
"""Mean log ratio of a turn's word pairs from which on it reads as sentences, and down to which it is a heap of words: of
held-out turns 5% lie below the first, and of the same turns shuffled 95% lie below zero."""
LENIENT = 0.3
"""How much better than it is a single sentence is taken."""
FEWEST = 6
"""Words from which on a turn is judged."""
BARE = 4
"""Words from which on a sentence without any function word is a list."""


@lru_cache(maxsize=16384)
def telling(stem: str) -> float:
    """How much it shows to take up this stem, from 0 (anybody says it) to 1 (the patient's own)."""
    if stem in STOCK:
        return STOCK_WEIGHT
    share = 1 - log(1 + _counts()["documents"].get(stem, 0)) / log(1 + TELLING)
    return max(STOCK_WEIGHT, min(1.0, share))


def coherence(sentences: Iterable[Sequence[str]]) -> float:
    """How much the words follow one another as in English sentences: 0 a heap, 1 sentences; 1 for a few words.

    One sentence that is a heap spoils the turn, if less than the turn's being one.
    """
    total, pairs, worst = 0.0, 0, 1.0
    for words in sentences:
        classes = ["^", *map(word_class, words), "$"]
        own = sum(map(_follows, classes, classes[1:]))
        total += own
        pairs += len(classes) - 1
        if len(words) >= BARE and FUNCTION_WORDS.isdisjoint(words):
            worst = min(worst, LENIENT)
        if len(words) >= FEWEST:
            worst = min(worst, LENIENT + _between(own / (len(classes) - 1)))
    return min(worst, _between(total / pairs)) if pairs >= FEWEST else worst


def _between(mean: float) -> float:
    return max(0.0, min(1.0, (mean - HEAP) / (SENTENCE - HEAP)))


@lru_cache(maxsize=16384)
def word_class(word: str) -> str:
    """A function word stands for itself; of any other word the ending counts."""
    if word in FUNCTION_WORDS:
        return word
    if word.isdigit():
        return "#0"
    return next((f"#{end}" for end in ("ing", "ed", "ly", "s") if len(word) > len(end) + 2 and word.endswith(end)), "#")


@lru_cache(maxsize=65536)
def _follows(first: str, second: str) -> float:
    """Log of how often the pair was seen over how often chance would bring it together."""
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
