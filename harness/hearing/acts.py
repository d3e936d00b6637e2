"""The acts of a therapist, and the result of the classifier for a sentence and for a turn.

The acts are those of the MITI 4.2.1 (Moyers et al. 2014) and of validation as described by Linehan (1997), in our own
words. They describe surface behaviour and do not replace coding by trained raters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
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


@dataclass(frozen=True)
class Heard:
    """The result for one therapist turn."""

    sentences: tuple[Sentence, ...]
    limits: Mapping[Act, float]
    """The least probability at which an act counts."""

    @cached_property
    def words(self) -> int:
        return sum(len(sentence.words) for sentence in self.sentences)

    @cached_property
    def backchannel(self) -> bool:
        """Whether the turn has only backchannels such as `mm-hmm`, `okay`, `right`."""
        return bool(self.sentences) and all(sentence.backchannel for sentence in self.sentences)

    @cached_property
    def statement_words(self) -> int:
        """Words outside questions and backchannels."""
        return sum(size for size, _ in self._statements)

    @property
    def questions(self) -> int:
        return sum(sentence.question is not None for sentence in self.sentences)

    @property
    def open_questions(self) -> int:
        return sum(sentence.question == "open" for sentence in self.sentences)

    @cached_property
    def _best(self) -> tuple[float, ...]:
        """For each act, the highest probability of a sentence; empty for a turn without words."""
        return tuple(map(max, zip(*(sentence.scores for sentence in self.sentences), strict=True)))

    @cached_property
    def _statements(self) -> tuple[tuple[int, tuple[float, ...]], ...]:
        """(number of words, scores) of each statement."""
        return tuple((len(s.words), s.scores) for s in self.sentences if s.question is None and not s.backchannel)

    @cached_property
    def acts(self) -> frozenset[Act]:
        """The acts that the turn counts as having."""
        best = self._best or (0.0,) * len(ACTS)
        done = {act for act, chance in zip(ACTS, best, strict=True) if chance >= self.limits[act]}
        if self.statement_words and self.share(Act.REFLECTION) < self._least_share:
            done.discard(Act.REFLECTION)
        return frozenset(done)

    def chance(self, act: Act) -> float:
        """The highest probability of this act in a sentence; 0 for a turn without words."""
        return self._best[PLACE[act]] if self._best else 0.0

    def does(self, act: Act) -> bool:
        """Whether the turn counts as having this act.

        For a reflection, enough of its statements must reflect, so that one sentence does not decide for a lecture.
        """
        return act in self.acts

    @property
    def _least_share(self) -> float:
        long = min(1.0, self.statement_words / _LONG)
        return _SHORT_SHARE + long * (_LONG_SHARE - _SHORT_SHARE)

    def share(self, *acts: Act) -> float:
        """Share in [0, 1] of statement words in sentences with one of these acts; 0 without statement words."""
        if not self.statement_words:
            return 0.0
        wanted = [(PLACE[act], self.limits[act]) for act in acts]
        found = 0
        for size, scores in self._statements:
            for column, limit in wanted:
                if scores[column] >= limit:
                    found += size
                    break
        return found / self.statement_words

    def expected(self, *acts: Act) -> float:
        """Expected number of statement words in sentences with one of these acts, by the likeliest act of each."""
        columns = [PLACE[act] for act in acts]
        return sum(size * max(scores[column] for column in columns) for size, scores in self._statements)

    @property
    def with_permission(self) -> bool:
        """Whether the turn asks for permission to advise or inform."""
        return self.does(Act.PERMISSION)
