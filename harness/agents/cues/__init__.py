"""Phrases by which a therapist's turn shows what it does to the patient, as tables by language.

Invariants:
- A phrase is matched as whole words within one sentence, contractions written out; never inside quotation marks.
- A phrase counts where the therapist means it: not behind a negation, nor in what somebody else said or the patient only
  feels (`Table.find` says which kinds ask for which).
- What a table lacks isn't guessed: a language without one gives no hits, and `languages()` says which have one.

The kinds follow the behaviour codes of motivational interviewing (MITI 4.2.1, Moyers et al. 2014: reflection, affirmation,
persuasion, confrontation), and for what hurts the red items of this library's safety rubric.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from harness.text.words import plain, word_set

FOLDER = Path(__file__).parent
MOST_PHRASES = 20_000
"""Bound of a table after its choices are written out."""

_QUOTED = re.compile(
    r"\"[^\"]{1,300}\"|“[^”]{1,300}”|«[^»]{1,300}»|„[^“”]{1,300}[“”]|(?<![\w'])'(?=\w)[^'\n]{2,200}'(?!\w)"
)
_OPENS = re.compile(r"'(?<![\w']')(?=\w)")
"""A straight apostrophe that opens a quotation: none stands in most turns that hold one."""
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
"""Before a phrase they make it somebody's words or worry, and not the therapist's opinion."""
_OWN_VIEW = word_set(
    """
    i honestly frankly agree right
    """
)
"""They make it the therapist's opinion again."""
_IMPERATIVE = word_set(
    "tell keep stop forget stay throw do bring trust cut ring call text message phone never come talk"
)
"""First words of phrases that hurt as orders; behind a noun they tell what somebody does."""
_BEFORE_ORDERS = word_set(
    "please just so and but then or should must to do simply only always now better best would never let not"
)
_TURNED = {"i": "you", "me": "you", "my": "your", "am": "are"}
"""A patient's words as a therapist says them."""
_UNNEGATED = frozenset(
    ("validating", "advising", "reflecting", "flattering", "harming", "missing", "rushing", "gentle")
)
_OWN_WORDS = frozenset(("harming", "missing", "advising"))


ANY = "_"
COMMON = "_common"
"""Key of the words that tell nothing; the others are kinds of phrases."""
_KINDS = " "
"""Key of the kinds at the end of a phrase; no word is a blank."""
_Node = dict[str, Any]


class Hit(NamedTuple):
    """One phrase found."""

    kind: str
    sentence: int
    """In which sentence, from 0."""
    start: int
    """Index of its first word among all words."""
    end: int


class Words(NamedTuple):
    """A turn as the matcher reads it: lower case, contractions written out, quotations left out."""

    words: tuple[str, ...]
    sentences: tuple[tuple[int, int, bool], ...]
    """Begin and end among the words, and whether it is a question."""


class Table:
    """The phrases of one language, as a tree of their words."""

    def __init__(self, kinds: Mapping[str, Any]) -> None:
        """Raises `ValueError` for a table that writes out to too many phrases."""
        self.common = word_set(kinds.get(COMMON, ""))
        """Words of the language that tell nothing."""
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
        """The phrases in the text that the therapist means; `heard` is the patient's turn before.

        Left out: of most kinds what stands behind a negation (three words); of advice, brushing aside and harm also what
        somebody else says or the patient feels; of advice and brushing aside what the patient said in the same words.
        """
        found = self._all(text)
        if not found:
            return found
        own = heard and any(hit.kind in _OWN_WORDS for hit in found)
        said = f" {' '.join(_TURNED.get(word, word) for word in read(heard).words)} " if own else ""
        meant = [hit for hit in found if self._meant(hit, text, said)]
        grave = [hit for hit in meant if hit.kind in ("missing", "harming")]
        return [hit for hit in meant if hit.kind != "validating" or not any(_within(hit, other) for other in grave)]

    def _all(self, text: Words) -> list[Hit]:
        words, tree, hits = text.words, self._tree, list[Hit]()
        for number, (start, end, _) in enumerate(text.sentences):
            for place in range(start, end):
                node = tree.get(words[place])
                if node is None:
                    continue
                after = words[place + 1] if place + 1 < end else None
                if _KINDS in node or after in node or (after is not None and ANY in node):  # most go no further
                    _follow(node, words, place + 1, end, Hit(" ", number, place, place), hits)
        return hits

    @staticmethod
    def _meant(hit: Hit, text: Words, said: str) -> bool:
        start, _, question = text.sentences[hit.sentence]
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
            return False  # the patient's own word, given back
        if hit.kind == "harming":
            if text.words[hit.start] in _IMPERATIVE and before and before[-1] not in _BEFORE_ORDERS:
                return False  # "most tell nobody"
            return not (question and hit.start - start >= 2 and "not" not in before)
        return f" {' '.join(text.words[hit.start : hit.end])} " not in said or hit.end - hit.start < 2


def _follow(node: _Node, words: Sequence[str], stop: int, end: int, begun: Hit, hits: list[Hit]) -> None:
    """Add the phrases that go on from a node of the tree with the words from `stop`."""
    while True:
        if _KINDS in node:
            hits += [Hit(kind, begun.sentence, begun.start, stop) for kind in node[_KINDS]]
        if stop == end:
            return
        after, anything = node.get(words[stop]), node.get(ANY)
        stop += 1
        if after is not None and anything is not None:
            _follow(anything, words, stop, end, begun, hits)
        elif after is None:
            after = anything
        if after is None:
            return
        node = after


def _within(one: Hit, other: Hit) -> bool:
    return other.start <= one.start and one.end <= other.end


def read(text: str) -> Words:
    """Cut a turn up for matching."""
    low = plain(text)
    if '"' in low or not low.isascii() or _OPENS.search(low):
        low = _QUOTED.sub(" \u2026 ", low)
    words: list[str] = []
    sentences: list[tuple[int, int, bool]] = []
    start = 0
    for token in _TOKEN.findall(low):
        if token in _ENDS:
            if len(words) > start:
                sentences.append((start, len(words), token == "?"))
                start = len(words)
        else:
            words += _spelled(token)
    if len(words) > start:
        sentences.append((start, len(words), False))
    return Words(tuple(words), tuple(sentences))


@cache
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
    """The table of a language (`de-AT` is `de`), or None where there is none."""
    code = language.split("-")[0]
    return Table(yaml.safe_load(path(code).read_text(encoding="utf-8"))) if code in languages() else None


def path(code: str) -> Path:
    """The file of the table of a language."""
    return FOLDER / f"{code}.yaml"


@cache
def languages() -> tuple[str, ...]:
    """Codes of the languages that have a table."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def _written_out(phrase: str) -> Iterator[tuple[str, ...]]:
    """`so?|very? hard|sad` and the like as rows of words."""
    slots: list[list[tuple[str, ...]]] = []
    for slot in phrase.split():
        optional = slot.endswith("?")
        choices: list[tuple[str, ...]] = [(choice.rstrip("?"),) for choice in slot.split("|")]
        slots.append([*choices, ()] if optional else choices)
    for row in product(*slots):
        if words := tuple(word for part in row for word in part):
            yield words
