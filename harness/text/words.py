"""Splits a turn into words, sentences and stems, for the guard, the metrics and the classifiers.

Invariants:
- Every function accepts any string (right-to-left, emoji, empty) and never raises.
- Nothing here depends on a model, a locale or a clock: the same text always gives the same result.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from harness.text.memo import memo

_CJK = "\u3040-\u30ff\u3400-\u9fff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e00-\u0e7f"
_LETTERS = rf"(?:[^\W_{_CJK}]+(?:[{_MARKS}]+[^\W_{_CJK}]*)*)"
_WORD = rf"[{_CJK}]|{_LETTERS}(?:['\-]{_LETTERS})*"
_ENDS = ".!?…。！？؟\n"
_BREAKS = ';:,()"“”*—–，、'
_ASCII_WORD = r"[a-z0-9]+(?:['\-][a-z0-9]+)*"
"""The same as `_WORD` for lower-case ASCII, twice as fast."""


def _token(word: str) -> re.Pattern[str]:
    """Words, and the marks that separate them."""
    return re.compile(rf"{word}|[.](?=[\s\"'”’)*\].!?…]|$)|[!?…。！？؟\n{_BREAKS}]|(?<=\s)-(?=-*\s)")


_TOKEN, _ASCII_TOKEN = _token(_WORD), _token(_ASCII_WORD)
_WORDS, _ASCII_WORDS = re.compile(_WORD), re.compile(_ASCII_WORD)
_END_MARKS = frozenset(_ENDS)
_BREAK_MARKS = frozenset(_BREAKS + "-")
_MARK_CHARACTERS = _END_MARKS | _BREAK_MARKS
_QUESTION_MARKS = frozenset("?？؟")
_TYPOGRAPHY = {"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2011": "-"}


class Sentence(NamedTuple):
    """A sentence."""

    words: tuple[str, ...]
    question: bool


class Said(NamedTuple):
    """The words and sentences of a text."""

    words: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    """Those with at least one word."""


class Parsed(NamedTuple):
    """The result of `parse`."""

    said: Said
    clauses: tuple[tuple[tuple[str, ...], ...], ...]
    """The words of each sentence, split at commas and similar marks."""


def word_set(text: str) -> frozenset[str]:
    """The blank-separated words of a literal list."""
    return frozenset(text.split())


FUNCTION_WORDS = word_set(
    """
    a about actually after again all already also although always am an and another any anything are aren't around as
    at away back be because been before being bit both but by can can't cannot could couldn't did didn't do does
    doesn't doing don't each either else even ever every everything feel feeling feels felt few for from get gets
    getting go goes going gone got guess had has hasn't have haven't having he he's her here hers him himself his hmm
    i i'd i'll i'm i've if in into is isn't it it'd it'll it's its itself just kind know knows let let's like little
    lot made make makes making many may maybe me mean means might mine mm more most much must my myself need no nor
    not now of off oh ok okay on once one only onto or other our ours ourselves out over own perhaps please quite
    rather really right said say saying says seem seems shall she she's should shouldn't since so some something
    sometimes sort still such sure take taking than that that's the their theirs them themselves then there there's
    these they they're they've thing things think this those though through to today too uh um under until up upon us
    very want wants was wasn't way we we'd we'll we're we've well were weren't what what's whatever when where which
    while who whom whose will with within without won't would wouldn't yeah yes yet you you'd you'll you're you've
    your yours yourself
    """
)
"""English words of grammar or hedging, without content of their own."""


def plain(text: str) -> str:
    """The text in lower case with straight apostrophes, so that typography does not affect comparisons."""
    low = text.lower()
    if not low.isascii():
        for mark, straight in _TYPOGRAPHY.items():
            low = low.replace(mark, straight)
    return low


def says_nothing(text: str) -> bool:
    """Whether a text has no visible character: it is empty, blank, or invisible. `...` is visible."""
    return all(unicodedata.category(character)[0] in "CZ" for character in text)


def words(text: str) -> list[str]:
    """The words in lower case. `let's` is one word, as is a CJK character; punctuation and emoji are not words."""
    low = plain(text)
    return (_ASCII_WORDS if low.isascii() else _WORDS).findall(low)


@lru_cache(maxsize=2048)  # guard and appraisal parse the same turn, one exchange apart, with other sessions in between
def parse(text: str) -> Parsed:
    """Words, sentences and clauses in one pass. A line break ends a sentence; one with a question mark among its last
    marks is a question."""
    low = plain(text)
    tokens = [*(_ASCII_TOKEN if low.isascii() else _TOKEN).findall(low), "\n"]
    found: list[str] = []
    sentences: list[Sentence] = []
    parts: list[tuple[tuple[str, ...], ...]] = []
    clauses: list[tuple[str, ...]] = []
    start = 0
    for end in [index for index, token in enumerate(tokens) if token in _MARK_CHARACTERS]:
        if start < end:
            clauses.append(tuple(tokens[start:end]))
        start = end + 1
        if clauses and (mark := tokens[end]) in _END_MARKS:
            said = clauses[0] if len(clauses) == 1 else tuple(chain.from_iterable(clauses))
            sentences.append(Sentence(said, mark in _QUESTION_MARKS))
            parts.append(tuple(clauses))
            found += said
            clauses = []
        elif tokens[end] in _QUESTION_MARKS and sentences and tokens[end - 1] != "\n":  # `What...?`, `What!?`
            sentences[-1] = sentences[-1]._replace(question=True)
    return Parsed(Said(tuple(found), tuple(sentences)), tuple(parts))


@memo
def stem(word: str) -> str:
    """An English word without plural and verb endings (after Harman, "How effective is suffixing?", 1991)."""
    w = word[:-2] if word.endswith("'s") else word
    if len(w) > 5 and w.endswith("ly"):
        w = w[:-2]
    if len(w) > 5 and w.endswith("ing"):
        w = w[:-3]
    elif len(w) > 4 and w.endswith("ied"):
        w = w[:-3] + "y"
    elif len(w) > 4 and w.endswith(("ed", "er")):
        w = w[:-2]
    elif len(w) > 4 and w.endswith("ies"):
        w = w[:-3] + "y"
    elif len(w) > 3 and w.endswith("s") and not w.endswith(("ss", "us")):
        w = w[:-1]
    if len(w) > 4 and w[-1] == w[-2] and w[-1] not in "ls":
        w = w[:-1]
    return w[:-1] if len(w) > 4 and w.endswith("e") else w


def content_stems(tokens: Sequence[str]) -> frozenset[str]:
    """The stems of the content words."""
    return frozenset(map(stem, {*tokens} - FUNCTION_WORDS))
