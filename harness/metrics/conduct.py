"""What the therapist does, as classified by `harness.hearing`: reflections, questions, advice, affirmations and others.

Invariants:
- Shares are in [0, 1]; what can't be computed (no turn, no statement, no question, another language) is None.
- A turn is classified together with the patient's last turns: whether it reflects depends on what the patient said.

docs/metrics.md says how well each measure agrees with human coders.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from harness.hearing import Act, Heard, hear
from harness.hearing.features import RECENT
from harness.metrics.registry import headline
from harness.metrics.shares import share
from harness.text.words import FUNCTION_WORDS, Said
from harness.types import Speaker, Turn

INPUT = (Act.ADVICE, Act.INFORMATION, Act.CONFRONTATION)
"""Acts that advise, inform or confront."""
_RATES = {
    "affirmation_rate": Act.AFFIRMATION,
    "validation_rate": Act.VALIDATION,
    "advice_rate": Act.ADVICE,
    "information_rate": Act.INFORMATION,
    "confrontation_rate": Act.CONFRONTATION,
    "self_disclosure_rate": Act.DISCLOSURE,
}
_ENGLISH = 0.25
"""A therapist with at least this share of English function words speaks English; typical is about a half."""


@headline(
    "therapist.reflection_rate",
    label="therapist turns with a reflection",
    group="Style",
    share=True,
)
@headline(
    "therapist.reflection_share",
    label="therapist's statements that reflect",
    group="Style",
    share=True,
)
@headline(
    "therapist.input_share",
    label="therapist's statements that advise, inform or confront",
    group="Style",
    share=True,
)
def conduct(turns: Sequence[Turn], said: Sequence[Said], done: "Conduct | None" = None) -> dict[str, Any]:
    """Measures of the therapist's acts, by the names in `NAMES`. English only: for other languages all are None.

    `said` are the parsed turns of both speakers; `done` is what the run has already added up, if it has.
    """
    if not _speaks_english(turns, said):
        return dict.fromkeys(NAMES)
    if done is None:
        done = Conduct()
        for turn in turns:
            done.add(turn)
    return done.measures()


NAMES = (
    *("reflection_rate", "reflection_share", "complex_share", "reflections_per_question", "open_question_share"),
    *("input_share", "permission_share", *_RATES, "backchannel_rate"),
)
"""Names of the measures, in order."""


class Conduct:
    """Counts of the therapist's acts so far, added up turn by turn during a session.

    The patient's appraisal needs the same classification of the same turn, so that each turn is classified once.
    """

    def __init__(self) -> None:
        self._patient: deque[str] = deque(maxlen=RECENT)
        self._turns = 0
        """Therapist turns with at least one sentence."""
        self._acts = dict.fromkeys((Act.REFLECTION, *_RATES.values()), 0)
        """Number of turns with each act."""
        self._complex = self._backchannels = self._asking = 0
        """Numbers of turns."""
        self._questions = self._open_questions = 0
        self._statement_words = 0
        self._reflecting_words = self._input_words = 0.0
        self._with_permission = 0
        """Turns with advice for which this turn or the one before asked for permission."""
        self._asked_permission = False
        """Whether the last turn asked for permission."""

    def add(self, turn: Turn) -> None:
        """Add the session's next turn, of either speaker."""
        if turn.speaker is Speaker.PATIENT:
            self._patient.append(turn.text)
        elif (heard := hear(turn.text, self._patient)).sentences:
            self._count(heard)

    def _count(self, heard: Heard) -> None:
        acts, questions = heard.acts, heard.questions
        for act in acts:
            if act in self._acts:
                self._acts[act] += 1
        self._turns += 1
        self._complex += Act.REFLECTION in acts and Act.COMPLEX in acts
        self._backchannels += heard.backchannel
        self._questions += questions
        self._open_questions += heard.open_questions if questions else 0
        self._asking += questions > 0
        self._statement_words += heard.statement_words
        if Act.REFLECTION in acts:
            self._reflecting_words += heard.share(Act.REFLECTION) * heard.statement_words
        self._input_words += heard.expected(*INPUT)
        self._with_permission += Act.ADVICE in acts and (Act.PERMISSION in acts or self._asked_permission)
        self._asked_permission = Act.PERMISSION in acts

    def measures(self) -> dict[str, Any]:
        """The measures by the names in `NAMES`; None where the denominator is 0."""
        if not self._turns:
            return dict.fromkeys(NAMES)
        reflecting = self._acts[Act.REFLECTION]
        return {
            "reflection_rate": share(reflecting, self._turns),
            "reflection_share": share(self._reflecting_words, self._statement_words),
            "complex_share": share(self._complex, reflecting),
            "reflections_per_question": share(reflecting, self._asking),
            "open_question_share": share(self._open_questions, self._questions),
            "input_share": share(self._input_words, self._statement_words),
            "permission_share": share(self._with_permission, self._acts[Act.ADVICE]),
            **{name: share(self._acts[act], self._turns) for name, act in _RATES.items()},
            "backchannel_rate": share(self._backchannels, self._turns),
        }


def _speaks_english(turns: Sequence[Turn], said: Sequence[Said]) -> bool:
    words = [
        word for turn, cut in zip(turns, said, strict=True) if turn.speaker is Speaker.THERAPIST for word in cut.words
    ]
    return bool(words) and sum(map(FUNCTION_WORDS.__contains__, words)) >= _ENGLISH * len(words)
