"""Words, sentences and stems of a turn: the one place where text is cut up for the guard and the metrics.

Invariants:
- Every function takes any string (right-to-left, emoji, empty) and never raises.
- Nothing here depends on a model, a locale or a clock: the same text always gives the same result.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

_CJK = "\u3040-\u30ff\u3400-\u9fff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e00-\u0e7f"
_LETTER = rf"(?:[^\W_{_CJK}]|[{_MARKS}])"
_WORD = re.compile(rf"[{_CJK}]|{_LETTER}+(?:['\-]{_LETTER}+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]*]*\s+|\n+|(?<=[。！？])")
_CLAUSE_END = re.compile(r"[.!?…。！？;:,\n()\"“”*—–，、]+|\s-+\s")


def word_set(text: str) -> frozenset[str]:
    """The blank-separated words of a literal list."""
    return frozenset(text.split())


FUNCTION_WORDS = word_set("""
    a about actually after again all already also although always am an and another any anything are aren't around as at
    away back be because been before being bit both but by can can't cannot could couldn't did didn't do does doesn't doing
    don't each either else even ever every everything few for from get gets getting go goes going gone got had has hasn't
    have haven't having he he's her here hers him himself his i i'd i'll i'm i've if in into is isn't it it'd it'll it's its
    itself just kind let let's like little lot made make makes making many may maybe me might mine more most much must my
    myself need no nor not now of off oh ok okay on once one only onto or other our ours ourselves out over own perhaps
    please quite rather really right said say saying says seem seems shall she she's should shouldn't since so some
    something sometimes sort still such sure take taking than that that's the their theirs them themselves then there
    there's these they they're they've thing things think this those though through to too under until up upon us very
    want wants was wasn't way we we'd we'll we're we've well were weren't what what's whatever when where which while who whom
    whose will with within without won't would wouldn't yeah yes yet you you'd you'll you're you've your yours yourself
    feel feels feeling felt guess know knows mean means um uh hmm mm today
    """)
"""English words that carry grammar or hedging rather than matter."""


def plain(text: str) -> str:
    """Lower case with straight apostrophes, so that typography never decides whether two phrases are the same."""
    return text.lower().replace("\u2019", "'").replace("\u2018", "'").replace("\u02bc", "'").replace("\u2011", "-")


def words(text: str) -> list[str]:
    """Words in lower case; `let's` is one word, a CJK character is one, punctuation and emoji are none."""
    return _WORD.findall(plain(text))


def sentences(text: str) -> list[str]:
    """Sentences with their end marks; line breaks end a sentence too."""
    return [part for raw in _SENTENCE_END.split(text) if raw and (part := raw.strip())]


def clauses(text: str) -> list[str]:
    """Parts between punctuation marks, commas included."""
    return [part for raw in _CLAUSE_END.split(text) if (part := raw.strip())]


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """A light English stemmer: plural and verb endings off (after Harman, "How effective is suffixing?", 1991)."""
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
    """Stems of the words that carry meaning."""
    return frozenset(stem(w) for w in tokens if w not in FUNCTION_WORDS)


def ngrams(tokens: Sequence[str], n: int) -> frozenset[tuple[str, ...]]:
    """The distinct runs of `n` words."""
    return frozenset(zip(*(tokens[i:] for i in range(n)), strict=False))
