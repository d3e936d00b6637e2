"""What a therapist does with a sentence, and how a turn is given back once it was heard.

The acts are those of the MITI 4.2.1 (Moyers et al. 2014) and of validation as described by Linehan (1997), in our own
words. They describe surface behaviour; to name one is no coding by trained raters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

QuestionKind = Literal["open", "closed"]


class Act(StrEnum):
    """What is heard in a sentence. A sentence can do several things."""

    REFLECTION = "reflection"
    """Gives back as a statement what the patient said or meant."""
    COMPLEX = "complex"
    """A reflection that adds meaning, a feeling, or a likely next thought."""
    AFFIRMATION = "affirmation"
    """Names a strength, an effort or a success of the patient's."""
    VALIDATION = "validation"
    """Takes a feeling as understandable."""
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
    """Agenda, time, agreements, greeting, summary announced."""
    PERMISSION = "permission"
    """Asks whether advice or information is wanted."""
    AUTONOMY = "autonomy"
    """Stresses that the patient chooses."""


ACTS = tuple(Act)
"""In the order of the weights' columns."""
PLACE = {act: place for place, act in enumerate(ACTS)}


_LONG = 100
"""Statement words from which a turn needs the greater share."""
_SHORT_SHARE, _LONG_SHARE = 0.25, 0.5
"""Share of its statement words that a short and a long turn must spend on reflections to count as one."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or the statement or question that a sentence of both is made of."""

    words: tuple[str, ...]
    question: QuestionKind | None
    scores: tuple[float, ...]
    """Calibrated probability of each of `ACTS`."""
    taken_up: tuple[str, ...]
    """The patient's own words (or words like them) that it holds."""
    backchannel: bool = False
    """Nothing but an `mm-hmm`."""

    def chance(self, act: Act) -> float:
        """Probability in [0, 1] that the sentence does this."""
        return self.scores[PLACE[act]]


@dataclass(frozen=True)
class Heard:
    """A therapist's turn as it was heard."""

    sentences: tuple[Sentence, ...]
    limits: Mapping[Act, float]
    """The probability from which on an act counts as done."""

    @cached_property
    def words(self) -> int:
        return sum(len(sentence.words) for sentence in self.sentences)

    @cached_property
    def backchannel(self) -> bool:
        """Whether the turn is nothing but `mm-hmm`, `okay`, `right`."""
        return bool(self.sentences) and all(sentence.backchannel for sentence in self.sentences)

    @cached_property
    def statement_words(self) -> int:
        """Words outside questions and backchannels."""
        return sum(size for size, _ in self._told)

    @property
    def questions(self) -> int:
        return sum(sentence.question is not None for sentence in self.sentences)

    @property
    def open_questions(self) -> int:
        return sum(sentence.question == "open" for sentence in self.sentences)

    @cached_property
    def _best(self) -> tuple[float, ...]:
        """Of each act the greatest probability among the sentences; nothing for a turn without words."""
        return tuple(map(max, zip(*(sentence.scores for sentence in self.sentences), strict=True)))

    @cached_property
    def _told(self) -> tuple[tuple[int, tuple[float, ...]], ...]:
        """Words and scores of its statements."""
        return tuple((len(s.words), s.scores) for s in self.sentences if s.question is None and not s.backchannel)

    @cached_property
    def _done(self) -> frozenset[Act]:
        best = self._best or (0.0,) * len(ACTS)
        done = {act for act, chance in zip(ACTS, best, strict=True) if chance >= self.limits[act]}
        if self.statement_words and self.share(Act.REFLECTION) < self._least_share:
            done.discard(Act.REFLECTION)
        return frozenset(done)

    def chance(self, act: Act) -> float:
        """Probability that one of the sentences does this: that of the likeliest; 0 for a turn without words."""
        return self._best[PLACE[act]] if self._best else 0.0

    def does(self, act: Act) -> bool:
        """Whether the turn does this, as the product counts it.

        A turn reflects where enough of its statements do: one sentence that may be a reflection makes no lecture one.
        """
        return act in self._done

    @property
    def _least_share(self) -> float:
        long = min(1.0, self.statement_words / _LONG)
        return _SHORT_SHARE + long * (_LONG_SHARE - _SHORT_SHARE)

    def share(self, *acts: Act) -> float:
        """Share in [0, 1] of the statement words that stand in a sentence which does one of these; 0 without such words."""
        if not self.statement_words:
            return 0.0
        asked = [(PLACE[act], self.limits[act]) for act in acts]
        told = 0
        for size, scores in self._told:
            for place, limit in asked:
                if scores[place] >= limit:
                    told += size
                    break
        return told / self.statement_words

    def expected(self, *acts: Act) -> float:
        """Expected number of statement words whose sentence does one of these, by the likeliest of them."""
        places = [PLACE[act] for act in acts]
        return sum(size * max(scores[place] for place in places) for size, scores in self._told)

    @property
    def with_permission(self) -> bool:
        """Whether advice or information comes after asking for leave in the same turn."""
        return self.does(Act.PERMISSION)
