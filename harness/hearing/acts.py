"""The acts of a therapist, and the result of the classifier for a sentence and for a turn.

The acts are those of the MITI 4.2.1 (Moyers et al. 2014) and of validation as described by Linehan (1997), in our own
words. They describe surface behaviour and do not replace coding by trained raters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

QuestionKind = Literal["open", "closed"]


class Act(StrEnum):
    """What a sentence does. A sentence can have several acts."""

    REFLECTION = "reflection"
    """Gives back as a statement what the patient said or meant."""
    COMPLEX = "complex"
    """A reflection that adds meaning, a feeling, or a likely next thought."""
    AFFIRMATION = "affirmation"
    """Names a strength, an effort or a success of the patient's."""
    VALIDATION = "validation"
    """Says that a feeling is understandable."""
    ADVICE = "advice"
    """Tells what to do, or proposes it."""
    INFORMATION = "information"
    """Teaches or explains facts."""
    DISCLOSURE = "self_disclosure"
    """Speaks of the therapist's own life or feeling."""
    CONFRONTATION = "confrontation"
    """Contradicts, blames, warns, shames, or brushes a feeling aside."""
    SAFETY = "safety"
    """Asks about risk, or names people and places that help in a crisis."""
    STRUCTURE = "structure"
    """Agenda, time, agreements, greetings, or the announcement of a summary."""
    PERMISSION = "permission"
    """Asks whether advice or information is wanted."""
    AUTONOMY = "autonomy"
    """Stresses that the patient chooses."""


ACTS = tuple(Act)
"""In the order of the weights' columns."""
PLACE = {act: place for place, act in enumerate(ACTS)}
"""Act to its column."""


_LONG = 100
"""A turn with at least this many statement words needs the greater share."""
_SHORT_SHARE, _LONG_SHARE = 0.25, 0.5
"""Least share of statement words in reflections, for a short and a long turn, to count as a reflection."""
_NO_ACTS = (0.0,) * len(ACTS)


class Sentence(NamedTuple):
    """A sentence; a sentence with a statement and a question counts as two."""

    words: tuple[str, ...]
    question: QuestionKind | None
    scores: tuple[float, ...]
    """Calibrated probability of each of `ACTS`."""
    taken_up: tuple[str, ...]
    """Its words that the patient used, too, or that have the same meaning."""
    backchannel: bool = False
    """Whether it is only a backchannel such as `mm-hmm`."""

    def chance(self, act: Act) -> float:
        """Probability in [0, 1] that the sentence has this act."""
        return self.scores[PLACE[act]]


@dataclass(frozen=True, slots=True)
class Heard:
    """The result for one therapist turn."""

    sentences: tuple[Sentence, ...]
    statements: tuple[tuple[int, tuple[float, ...]], ...]
    """(number of words, scores) of each statement that is no backchannel."""
    statement_words: int
    """Words outside questions and backchannels."""
    best: tuple[float, ...]
    """For each of `ACTS`, the highest probability in a sentence; 0 for a turn without words."""
    acts: frozenset[Act]
    """The acts that the turn counts as having.

    For a reflection, enough of its statements must reflect, so that one sentence does not decide for a lecture.
    """
    limits: tuple[float, ...]
    """For each of `ACTS`, the least probability at which it counts."""

    @classmethod
    def of(cls, sentences: tuple[Sentence, ...], limits: tuple[float, ...]) -> "Heard":
        """The result for a turn of these sentences."""
        statements = tuple([(len(s.words), s.scores) for s in sentences if s.question is None and not s.backchannel])
        size = sum([words for words, _ in statements])
        best = tuple(map(max, zip(*[s.scores for s in sentences], strict=True))) if sentences else _NO_ACTS
        acts = {act for act, chance, limit in zip(ACTS, best, limits, strict=True) if chance >= limit}
        if size and Act.REFLECTION in acts and _share(statements, size, (Act.REFLECTION,), limits) < _least_share(size):
            acts.remove(Act.REFLECTION)
        return cls(sentences, statements, size, best, frozenset(acts), limits)

    @property
    def words(self) -> int:
        return sum(len(sentence.words) for sentence in self.sentences)

    @property
    def backchannel(self) -> bool:
        """Whether the turn has only backchannels such as `mm-hmm`, `okay`, `right`."""
        return bool(self.sentences) and all(sentence.backchannel for sentence in self.sentences)

    @property
    def questions(self) -> int:
        return sum([sentence.question is not None for sentence in self.sentences])

    @property
    def open_questions(self) -> int:
        return sum([sentence.question == "open" for sentence in self.sentences])

    def chance(self, act: Act) -> float:
        """The highest probability of this act in a sentence; 0 for a turn without words."""
        return self.best[PLACE[act]]

    def does(self, act: Act) -> bool:
        """Whether the turn counts as having this act."""
        return act in self.acts

    def share(self, *acts: Act) -> float:
        """Share in [0, 1] of statement words in sentences with one of these acts; 0 without statement words."""
        return _share(self.statements, self.statement_words, acts, self.limits) if self.statement_words else 0.0

    def expected(self, *acts: Act) -> float:
        """Expected number of statement words in sentences with one of these acts, by the likeliest act of each."""
        columns = [PLACE[act] for act in acts]
        return sum([size * max([scores[column] for column in columns]) for size, scores in self.statements])

    def expected_share(self, *acts: Act) -> float:
        """`expected` as a share in [0, 1] of statement words; 0 without statement words."""
        return self.expected(*acts) / self.statement_words if self.statement_words else 0.0


def _share(
    statements: Sequence[tuple[int, tuple[float, ...]]], size: int, acts: Sequence[Act], limits: Sequence[float]
) -> float:
    wanted = [(place, limits[place]) for place in map(PLACE.__getitem__, acts)]
    found = 0
    for words, scores in statements:
        for place, limit in wanted:
            if scores[place] >= limit:
                found += words
                break
    return found / size


def _least_share(size: int) -> float:
    """The share of a turn's statement words (their number is `size`) that must reflect."""
    return _SHORT_SHARE + min(1.0, size / _LONG) * (_LONG_SHARE - _SHORT_SHARE)
