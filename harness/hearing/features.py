"""Features of a sentence: its cue words in order, its form, its position, and the patient's words that it takes up.

Invariants:
- A word that names a topic is never a feature itself. It counts as a word of the patient's (`=`), a feeling (`@`), a
  number (`#`), or any other (`_`), so results do not depend on the topic of a session.
- A feature is a string; the same turn after the same patient turns has the same features.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import exp
from typing import NamedTuple

from harness.hearing.cut import Part, bare
from harness.hearing.words import BACKCHANNELS, CUES, FEELINGS, VERBS, meaning
from harness.text.memo import memo
from harness.text.words import FUNCTION_WORDS, parse, stem

RECENT = 3
"""Number of last patient turns that a therapist turn is compared with."""
RARE = 8
"""A word in at most this many turns of the training data counts as rare."""
_TURN = 12
"""Mean number of words of a patient's turn."""
_LENGTHS = (2, 4, 7, 11, 16, 24, 36)
"""Limits of the bins for numbers of words."""
_FIRST = frozenset(("i", "i'm", "i've", "i'd", "i'll", "me", "my"))
_WE = frozenset(("we", "we'll", "we're", "we've", "let's", "our", "we'd"))
_YOU = frozenset(("you", "you're", "you've", "you'd", "you'll", "your", "part", "yourself"))
_IT = frozenset(("it", "it's", "that", "that's", "this", "there", "there's", "these", "those", "it'd", "it'll"))
_THEY = frozenset(("he", "he's", "she", "she's", "they", "they're", "his", "her", "their", "he'd", "she'd"))
_STEMS = frozenset(
    (
        *("sounds like", "sound like", "seems like", "seems to", "looks like", "feels like", "i'm hearing", "i hear"),
        *("you're saying", "you feel", "you're feeling", "if i", "part of", "one hand", "you mentioned", "you said"),
        *("you're telling", "in other", "sense that", "you told", "seems as", "sounds as"),
    )
)
"""Pairs of words that introduce reflections."""
_SOFTENERS = frozenset(
    ("just", "maybe", "perhaps", "please", "always", "never", "first", "also", "instead", "simply", "why", "not")
)
_CONNECT = frozenset(("so", "and", "but", "because", "then", "yet"))


class Context(NamedTuple):
    """What the patient said before the turn."""

    last: Mapping[str, float]
    """Meanings of the content words of the last turn, each with its weight (0 to 1, higher if rarer)."""
    before: Mapping[str, float]
    """The same for the turns before."""
    length: int
    """Number of words of the last turn."""


class Rarity:
    """Weights for the words of a patient's turn.

    A weight is the rarity of the word, times the probability that a turn of that length lacks the word by chance: a
    long turn shares words with every answer.
    """

    def __init__(self, values: Mapping[str, float], turns: int) -> None:
        """`values`: meaning to rarity in [0, 1]; 1 for all others. `turns`: number of patient turns in the counts."""
        self.values, self.turns = values, turns
        self._share = {meaning_: (RARE / turns) ** value for meaning_, value in values.items()}
        """Meaning to the share of turns that contain it."""
        self.weights = lru_cache(maxsize=4096)(self._weights)

    def _weights(self, text: str) -> tuple[int, Mapping[str, float]]:
        """The number of words of a turn, and the weights of the meanings of its content words."""
        said = parse(text).said.words
        times, rare, values, share = len(said) / _TURN, RARE / self.turns, self.values, self._share
        meanings = {m for w in set(said) if w not in FUNCTION_WORDS and w not in BACKCHANNELS and (m := meaning(w))}
        return len(said), {m: values.get(m, 1.0) * exp(-times * share.get(m, rare)) for m in meanings}


def context(heard: str | Sequence[str], rarity: Rarity) -> Context:
    """The context of a therapist turn: `heard` is the patient's last turn, or the last ones, the newest last."""
    texts = [heard] if isinstance(heard, str) else list(heard)[-RECENT:]
    if not texts:
        return Context({}, {}, 0)
    length, last = rarity.weights(texts[-1])
    before: dict[str, float] = {}
    for text in texts[:-1]:
        before |= rarity.weights(text)[1]
    return Context(last, before, length)


@memo
def _sort(word: str) -> tuple[str | None, str]:
    """(meaning of a content word, None for others; the token for the word if the patient did not say it)."""
    if word in FUNCTION_WORDS or word in BACKCHANNELS:
        return None, word
    seen = "@" if stem(word) in FEELINGS else word if word in CUES else "#" if word.isdigit() else "_"
    return meaning(word), seen


class Looked(NamedTuple):
    """The features of one part of a turn."""

    features: set[str]
    taken_up: tuple[str, ...]
    """Its words that the patient used, too, by meaning."""


def look(part: Part, place: int, every: Sequence[Part], heard: Context) -> Looked:
    """The features of a part of a turn, and the words it takes up; `place` is its index in `every`."""
    tokens, taken, rare, content = _tokens(part.words, heard)
    pairs = [f"{a} {b}" for a, b in pairwise(tokens)]
    found = {*tokens, *pairs}
    own = bare(part.words)
    start = bare(tokens)
    first, form = _subject(own), part.form
    length, grounded = f"told:{_bin(heard.length)}", _level(rare, content)
    ground, subject, shape = f"ground:{grounded}", f"subject:{first}", f"form:{form}"
    found.update(
        (
            f"^ {start[0]}",
            f"^ {' '.join(start[:2])}",
            f"^ {' '.join(start[:3])}",
            f"$ {' '.join(tokens[-2:])}",
            *(shape, subject, f"{shape} {subject}", f"long:{_bin(len(part.words))}"),
            *(
                ground,
                f"{ground} {subject}",
                f"{ground} {shape}",
                length,
                f"{length} {ground}",
                f"content:{min(content, 6)}",
            ),
            f"place:{min(place, 3)} of:{min(len(every), 4)}",
        )
    )
    if part.words[0] in _CONNECT:
        found.add(f"lead:{part.words[0]} {subject}")
    if not _STEMS.isdisjoint(pairs):
        found.update(("stems", f"stems {ground}"))
    if first in ("function", "noun") and _requests(own):
        found.update(("request", f"request {shape}"))
    if "if" in own:
        found.add(f"if {subject}")
    if place and every[place - 1].question:
        found.add("after a question")
    if place + 1 < len(every):
        found.add("before a question" if every[place + 1].question else "before a statement")
    return Looked(found, taken)


def features(part: Part, place: int, every: Sequence[Part], heard: Context) -> list[str]:
    """The features of one part of a turn, sorted."""
    return sorted(look(part, place, every, heard).features)


def _tokens(said: Sequence[str], heard: Context) -> tuple[list[str], tuple[str, ...], float, int]:
    """(tokens, words taken up, sum of their weights, number of different content words).

    Words from before the last turn have half their weight.
    """
    tokens: list[str] = []
    taken: list[str] = []
    rare, counted, last, before = 0.0, set[str](), heard.last, heard.before
    previous = ""
    for word in said:
        root, seen = _sort(word)
        if root is not None:
            again = root in counted
            counted.add(root)
            weight = last[root] if root in last else 0.5 * before[root] if root in before else 0.0
            if weight:
                if not again:
                    rare += weight
                    taken.append(word)
                if seen in "_@#":
                    seen = "="
        if seen != "_" or previous != "_":
            tokens.append(seen)
        previous = seen
    return tokens, tuple(taken), rare, len(counted)


def _requests(own: Sequence[str]) -> bool:
    """Whether the words begin as a request: `try`, `just call`, `maybe go`."""
    return own[0] in VERBS or (len(own) > 1 and own[0] in _SOFTENERS and own[1] in VERBS)


def _level(rare: float, content: int) -> int:
    """How much of the content is the patient's, from 0 (nothing) to 4; relative to the number of content words."""
    if rare < 0.3 or not content:
        return 0
    portion = rare / content
    if rare < 0.8:
        return 1 if portion < 0.3 else 2
    return 2 if portion < 0.2 else 3 if portion < 0.4 else 4


def _subject(own: Sequence[str]) -> str:
    first = own[0] if own else ""
    for name, group in (("you", _YOU), ("i", _FIRST), ("we", _WE), ("it", _IT), ("they", _THEY)):
        if first in group:
            return name
    if first in FUNCTION_WORDS:
        return "function"
    early = set(own[:4])
    return "noun you" if early & _YOU else "noun"


def _bin(number: int) -> int:
    return bisect_left(_LENGTHS, number)
