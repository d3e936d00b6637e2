"""Splits a therapist's turn into statements and questions; a sentence with both becomes two parts."""

from collections.abc import Sequence
from typing import NamedTuple

from harness.hearing.acts import QuestionKind
from harness.hearing.words import AUXILIARY, BACKCHANNELS, FILLERS, OPENED, PRONOUNS, TAGS, WH
from harness.text.words import Parsed, word_set

Words = tuple[str, ...]
_LEAST = 4
"""Least words of a statement before a question that becomes a part; also the most words of a backchannel."""
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
"""Words that begin a clause or adverb before a question, which is not a statement of its own."""


class Part(NamedTuple):
    """A statement or a question."""

    words: Words
    question: QuestionKind | None
    form: str
    """`statement`, `asked` (inverted or with a question word), `declarative` (a statement with a question mark),
    `tagged` (with a question tag), `invited` (an invitation without a question mark), or `backchannel`."""


def parts(parsed: Parsed) -> list[Part]:
    """The parts of a turn, in order."""
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
    """The parts of a sentence with a question mark."""
    if len(clauses) > 1 and clauses[-1] in TAGS:
        said = tuple(word for clause in clauses[:-1] for word in clause)
        return [Part(said, "closed", "tagged")]
    if words in TAGS:
        return [Part(words, "closed", "asked")]
    starts = [number for number, clause in enumerate(clauses) if interrogative(clause)]
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
    """The words without fillers at the beginning."""
    start = 0
    while start < len(words) - 1 and words[start] in FILLERS:
        start += 1
    return words[start:]


def interrogative(words: Sequence[str]) -> bool:
    """Whether the words begin as a question."""
    own = bare(words)
    if not own:
        return False
    if own[0] in WH or (own[0] in ("in", "on", "at", "for", "from", "to") and len(own) > 2 and own[1] in WH):
        return True
    return own[0] in AUXILIARY and (len(own) == 1 or own[1] in PRONOUNS or own[0] in ("any", "ever"))


def kind(words: Sequence[str]) -> QuestionKind:
    """`open` for questions with what, how or why, and for indirect ones; else `closed`, also for how many, how long."""
    own = bare(words)
    text = " ".join(own)
    for index, word in enumerate(own[:6]):
        if word in OPENED:
            following = own[index + 1] if index + 1 < len(own) else ""
            narrow = word == "how" and following in ("many", "much", "long", "often", "old", "far", "soon", "big")
            which = word == "which" or (word == "what" and following in ("time", "day", "age", "year"))
            return "closed" if narrow or which or word == "who" else "open"
    return "open" if any(text.find(line) >= 0 for line in _INVITES) else "closed"


def invites(words: Sequence[str]) -> bool:
    """Whether the words invite the patient to speak without a question mark ("tell me ...")."""
    own = bare(words)
    return bool(own) and own[0] in _INVITE_STARTS and " ".join(own).startswith(_INVITES)
