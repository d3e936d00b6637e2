"""Tables of phrases, by language, that show what a therapist's turn does to the patient.

Invariants:
- A phrase is matched as whole words within one sentence, with contractions written out; never in quotation marks.
- A phrase counts only as the therapist's own: not after a negation, and not as the words or feelings of others
  (`Table.find` says which rule applies to which kinds).
- A language without a table has no hits; `languages()` lists those with one.

The kinds follow the behaviour codes of motivational interviewing (MITI 4.2.1, Moyers et al. 2014: reflection,
affirmation, persuasion, confrontation); for harm, they follow the red items of this library's safety rubric.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from harness.reading.yaml_shape import own_data
from harness.text.memo import memo
from harness.text.words import plain, word_set

FOLDER = Path(__file__).parent
MOST_PHRASES = 20_000
"""Maximum number of phrases of a table after its choices are written out."""

_QUOTED = re.compile(
    r"\"[^\"]{1,300}\"|“[^”]{1,300}”|«[^»]{1,300}»|„[^“”]{1,300}[“”]|(?<![\w'])'(?=\w)[^'\n]{2,200}'(?!\w)"
)
_OPENS = re.compile(r"'(?<![\w']')(?=\w)")
"""A straight apostrophe that opens a quotation. Most turns with an apostrophe have none."""
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.!?…;:\n]")
_ENDS = frozenset(".!?…;:\n")
_WHOLE = {
    "can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "ain't": "is not",
    "let's": "let us", "dont": "do not", "cant": "can not", "wont": "will not", "didnt": "did not",
    "doesnt": "does not", "isnt": "is not", "im": "i am", "youre": "you are", "ive": "i have", "thats": "that is",
    "whats": "what is", "youve": "you have", "wasnt": "was not", "wouldnt": "would not",
}  # fmt: skip
_ENDINGS = {"n't": "not", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would", "'m": "am"}
_IS = frozenset(
    [
        "it",
        "that",
        "this",
        "what",
        "there",
        "he",
        "she",
        "who",
        "how",
        "where",
        "here",
        "everything",
        "nothing",
        "something",
        "someone",
    ]
)
_NEGATIONS = frozenset(
    [
        "not",
        "never",
        "no",
        "hardly",
        "without",
        "nor",
        "neither",
        "nicht",
        "nie",
        "kein",
        "keine",
        "niemals",
        "jamás",
        "nunca",
        "pas",
        "jamais",
    ]
)
_REPORTED = frozenset(
    [
        "said",
        "says",
        "say",
        "saying",
        "told",
        "tells",
        "tell",
        "telling",
        "called",
        "calls",
        "call",
        "think",
        "thinks",
        "thought",
        "thinking",
        "believe",
        "believes",
        "feel",
        "feels",
        "felt",
        "afraid",
        "fear",
        "fears",
        "worry",
        "worried",
        "hear",
        "heard",
        "hears",
        "voice",
        "voices",
        "if",
        "whether",
        "wonder",
        "wondering",
    ]
)
"""Before a phrase, these make it somebody's words or worry, not the therapist's opinion."""
_OWN_VIEW = word_set(
    """
    i honestly frankly agree right
    """
)
"""These make it the therapist's opinion again."""
_IMPERATIVE = word_set(
    "tell keep stop forget stay throw do bring trust cut ring call text message phone never come talk"
)
"""First words of phrases that are harmful as orders; after a noun, they describe what somebody does."""
_BEFORE_ORDERS = word_set(
    "please just so and but then or should must to do simply only always now better best would never let not"
)
_TAGS = frozenset((("shall", "we"), ("will", "you"), ("can", "we"), ("okay", "then"), ("all", "right")))
"""Ends of statements with a question mark."""
_SECOND_PERSON = {"i": "you", "me": "you", "my": "your", "am": "are"}
"""A patient's words in the form in which a therapist gives them back."""
_UNNEGATED = frozenset(
    ("validating", "advising", "reflecting", "flattering", "harming", "missing", "rushing", "gentle")
)
_OWN_WORDS = frozenset(("harming", "missing", "advising"))


ANY = "_"
COMMON = "_common"
"""Key of the words without content of their own; the other keys are kinds of phrases."""
_KINDS = " "
"""Key of the kinds that end at a node; no word is a blank."""
_Node = dict[str, Any]


class Hit(NamedTuple):
    """A phrase that was found."""

    kind: str
    sentence: int
    """0-based number of its sentence."""
    start: int
    """Index of its first word among all words; `end` is the index after its last."""
    end: int


class Words(NamedTuple):
    """A turn for matching: lower case, contractions written out, quotations left out."""

    words: tuple[str, ...]
    sentences: tuple[tuple[int, int, bool], ...]
    """(start, end, whether it is a question); start and end index `words`."""


class Table:
    """The phrases of one language, as a tree of their words."""

    def __init__(self, kinds: Mapping[str, Any]) -> None:
        """`kinds` is the content of a table's file. Raises `ValueError` for more than `MOST_PHRASES`."""
        self.common = word_set(kinds.get(COMMON, ""))
        """Words of the language without content of their own."""
        self._tree: _Node = {}
        rows = [
            (row, kind)
            for kind, phrases in kinds.items()
            if kind != COMMON
            for phrase in phrases
            for row in _written_out(phrase)
        ]
        if len(rows) > MOST_PHRASES:
            raise ValueError(f"a table of cues: expected at most {MOST_PHRASES} phrases, found {len(rows)}")
        for row, kind in rows:
            node = self._tree
            for word in row:
                node = node.setdefault(word, {})
            node[_KINDS] = tuple(sorted({*node.get(_KINDS, ()), kind}))

    def find(self, text: Words, heard: str = "") -> list[Hit]:
        """The phrases in the text that count as the therapist's own; `heard` is the patient's turn before.

        Left out are: for most kinds, a phrase within three words after a negation; for `advising`, `missing` and
        `harming`, also the words or feelings of others; for `advising` and `missing`, also what the patient said in the
        same words; and `validating` within a phrase of `missing` or `harming`.
        """
        found = self._all(text)
        if not found:
            return found
        compared = heard and any(hit.kind in _OWN_WORDS for hit in found)
        said = f" {' '.join(_SECOND_PERSON.get(word, word) for word in read(heard).words)} " if compared else ""
        meant = [hit for hit in found if self._meant(hit, text, said)]
        grave = [hit for hit in meant if hit.kind in ("missing", "harming")]
        return [hit for hit in meant if hit.kind != "validating" or not any(_within(hit, other) for other in grave)]

    def _all(self, text: Words) -> list[Hit]:
        words, tree, hits = text.words, self._tree, list[Hit]()
        for number, (start, end, _) in enumerate(text.sentences):
            for first in range(start, end):
                node = tree.get(words[first])
                if node is None:
                    continue
                after = words[first + 1] if first + 1 < end else None
                if _KINDS in node or after in node or (after is not None and ANY in node):  # most words go no further
                    _follow(node, words, first, first + 1, end, number, hits)
        return hits

    @staticmethod
    def _meant(hit: Hit, text: Words, said: str) -> bool:
        """Whether a phrase counts as the therapist's own; `said` is the patient's turn in the second person."""
        start, end, question = text.sentences[hit.sentence]
        before = text.words[max(start, hit.start - 3) : hit.start]
        if hit.kind in _UNNEGATED and not _NEGATIONS.isdisjoint(before):
            return False
        if hit.kind not in _OWN_WORDS:
            return True
        if hit.kind == "advising" and "have" in text.words[hit.end : hit.end + 2]:
            return False  # "you shouldn't have had to"
        wide = text.words[max(start, hit.start - 6) : hit.start]
        if not _NEGATIONS.isdisjoint(wide) and not _REPORTED.isdisjoint(wide):
            return False  # "I won't tell you what you should do"
        if not _REPORTED.isdisjoint(wide) and _OWN_VIEW.isdisjoint(wide[-6:]):
            return False
        if hit.end - hit.start == 1 and f" {text.words[hit.start]} " in said and hit.kind != "advising":
            return False  # the patient's own word, repeated
        if hit.kind == "harming":
            if text.words[hit.start] in _IMPERATIVE and before and before[-1] not in _BEFORE_ORDERS:
                return False  # "most tell nobody"
            asked = question and text.words[end - 2 : end] not in _TAGS
            return not (asked and hit.start - start >= 2 and "not" not in before)
        return f" {' '.join(text.words[hit.start : hit.end])} " not in said or hit.end - hit.start < 2


def _follow(node: _Node, words: Sequence[str], start: int, stop: int, end: int, sentence: int, hits: list[Hit]) -> None:
    """Add to `hits` the phrases that began at `start` and continue from a node of the tree with the words from `stop`."""
    while True:
        if _KINDS in node:
            hits += [Hit(kind, sentence, start, stop) for kind in node[_KINDS]]
        if stop == end:
            return
        after, anything = node.get(words[stop]), node.get(ANY)
        stop += 1
        if after is not None and anything is not None:
            _follow(anything, words, start, stop, end, sentence, hits)
        elif after is None:
            after = anything
        if after is None:
            return
        node = after


def _within(one: Hit, other: Hit) -> bool:
    return other.start <= one.start and one.end <= other.end


def read(text: str) -> Words:
    """Split a turn into words and sentences for matching; one with a question mark among its last marks is a question."""
    low = plain(text)
    if '"' in low or not low.isascii() or _OPENS.search(low):
        low = _QUOTED.sub(" \u2026 ", low)
    words: list[str] = []
    sentences: list[tuple[int, int, bool]] = []
    start, before = 0, ""
    for token in _TOKEN.findall(low):
        if token in _ENDS:
            if len(words) > start:
                sentences.append((start, len(words), token == "?"))
                start = len(words)
            elif token == "?" and sentences and before != "\n":  # `What...?`, `What!?`
                sentences[-1] = (*sentences[-1][:2], True)
        else:
            words += _spelled(token)
        before = token
    if len(words) > start:
        sentences.append((start, len(words), False))
    return Words(tuple(words), tuple(sentences))


@memo
def _spelled(token: str) -> tuple[str, ...]:
    if token in _WHOLE:
        return tuple(_WHOLE[token].split())
    for ending, written in _ENDINGS.items():
        if token.endswith(ending) and len(token) > len(ending):
            return token[: -len(ending)], written
    if token.endswith("'s") and token[:-2] in _IS:
        return token[:-2], "is"
    return (token,)


@cache
def table(language: str) -> Table | None:
    """The table of a language (`de-AT` is `de`), or None if there is none."""
    code = language.split("-")[0]
    return Table(own_data(path(code))) if code in languages() else None


def path(code: str) -> Path:
    """The file of the table of a language."""
    return FOLDER / f"{code}.yaml"


@cache
def languages() -> tuple[str, ...]:
    """Codes of the languages that have a table."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def _written_out(phrase: str) -> Iterator[tuple[str, ...]]:
    """All rows of words that a phrase such as `so?|very? hard|sad` stands for."""
    slots: list[list[tuple[str, ...]]] = []
    for slot in phrase.split():
        optional = slot.endswith("?")
        choices: list[tuple[str, ...]] = [(choice.rstrip("?"),) for choice in slot.split("|")]
        slots.append([*choices, ()] if optional else choices)
    for row in product(*slots):
        if words := tuple(word for part in row for word in part):
            yield words
