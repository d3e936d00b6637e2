"""A therapist's turn cut into statements and questions; a sentence that is both becomes two."""

from collections.abc import Sequence
from typing import NamedTuple

from harness.hearing.acts import QuestionKind
from harness.hearing.words import AUXILIARY, BACKCHANNELS, FILLERS, OPENED, PRONOUNS, TAGS, WH
from harness.text.words import Parsed, word_set

Words = tuple[str, ...]
_LEAST = 4
"""Words that a statement before a question must have to be one of its own."""
_INVITES = (
    "tell me",
    "say more",
    "help me understand",
    "walk me through",
    "talk to me about",
    "describe",
    "share with me",
    "talk about",
    "i wonder what",
    "i wonder how",
    "i'm wondering what",
    "i'm wondering how",
    "i'm curious what",
    "i'm curious how",
    "i'm curious about",
    "give me an example",
    "talk more about",
    "i'd like to hear",
    "i'd love to hear",
    "take me through",
    "explain to me",
    "fill me in",
)
_INVITE_STARTS = {line.split()[0] for line in _INVITES}


_OPENS_A_CLAUSE = word_set(
    "while when if since as in on at with without for from of after before once until by coming going thinking looking to during"
)
"""Words that open a clause or an adverb before a question, which is no statement of its own."""


class Part(NamedTuple):
    """A statement or a question."""

    words: Words
    question: QuestionKind | None
    form: str
    """`statement`, `asked` (inverted or with a question word), `declarative` (a statement with a question mark), `tagged`, `invited`,
    or `backchannel`."""


def parts(parsed: Parsed) -> list[Part]:
    """The statements and questions of a turn in order."""
    found: list[Part] = []
    for (words, question), clauses in zip(parsed.said.sentences, parsed.clauses, strict=True):
        if len(words) <= _LEAST and BACKCHANNELS.issuperset(words):
            found.append(Part(words, None, "backchannel"))
        elif question:
            found += _asked(words, clauses)
        elif invites(words):
            found.append(Part(words, "open", "invited"))
        else:
            found.append(Part(words, None, "statement"))
    return found


def _asked(words: Words, clauses: Sequence[Words]) -> list[Part]:
    """The parts of a sentence that ends with a question mark."""
    if len(clauses) > 1 and clauses[-1] in TAGS:
        said = tuple(word for clause in clauses[:-1] for word in clause)
        return [Part(said, "closed", "tagged")]
    if words in TAGS:
        return [Part(words, "closed", "asked")]
    starts = [place for place, clause in enumerate(clauses) if interrogative(clause)]
    if not starts:
        return [Part(words, "closed", "declarative")]
    begin = starts[-1] if _short(clauses[starts[-1] :]) is False else starts[0]
    before = tuple(word for clause in clauses[:begin] for word in clause)
    rest = tuple(word for clause in clauses[begin:] for word in clause)
    if len(before) >= _LEAST and bare(before)[0] not in _OPENS_A_CLAUSE:
        return [Part(before, None, "statement"), Part(rest, kind(rest), "asked")]
    return [Part(words, kind(rest), "asked")]


def _short(clauses: Sequence[Words]) -> bool:
    return sum(map(len, clauses)) < 3


def bare(words: Sequence[str]) -> Sequence[str]:
    """Without the fillers that it begins with."""
    start = 0
    while start < len(words) - 1 and words[start] in FILLERS:
        start += 1
    return words[start:]


def interrogative(words: Sequence[str]) -> bool:
    """Whether it begins as a question does."""
    own = bare(words)
    if not own:
        return False
    if own[0] in WH or (own[0] in ("in", "on", "at", "for", "from", "to") and len(own) > 2 and own[1] in WH):
        return True
    return own[0] in AUXILIARY and (len(own) == 1 or own[1] in PRONOUNS or own[0] in ("any", "ever"))


def kind(words: Sequence[str]) -> QuestionKind:
    """Whether a question is open: asked by what, how or why, or an indirect one; how many and how long are closed."""
    own = bare(words)
    text = " ".join(own)
    for place, word in enumerate(own[:6]):
        if word in OPENED:
            following = own[place + 1] if place + 1 < len(own) else ""
            narrow = word == "how" and following in ("many", "much", "long", "often", "old", "far", "soon", "big")
            which = word == "which" or (word == "what" and following in ("time", "day", "age", "year"))
            return "closed" if narrow or which or word == "who" else "open"
    return "open" if any(text.find(line) >= 0 for line in _INVITES) else "closed"


def invites(words: Sequence[str]) -> bool:
    """Whether it asks to go on without a question mark."""
    own = bare(words)
    return bool(own) and own[0] in _INVITE_STARTS and " ".join(own).startswith(_INVITES)
