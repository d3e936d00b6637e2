"""What the therapist does, as `harness.hearing` hears it: reflections, questions, advice, affirmations and the like.

Invariants:
- Shares are in [0, 1]; what can't be computed (no turn, no statement, no question, another language) is None.
- A turn is heard after the patient's last turns, so what is given back is told from what would be said to anybody.

docs/metrics.md says how each measure agrees with people who coded the same turns.
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
"""What leads, teaches or advises."""
_RATES = {
    "affirmation_rate": Act.AFFIRMATION,
    "validation_rate": Act.VALIDATION,
    "advice_rate": Act.ADVICE,
    "information_rate": Act.INFORMATION,
    "confrontation_rate": Act.CONFRONTATION,
    "self_disclosure_rate": Act.DISCLOSURE,
}
_ENGLISH = 0.25
"""Share of English function words from which a therapist is taken to speak English; in English it is about a half."""


@headline(
    "therapist.reflection_rate",
    label="therapist turns with a reflection",
    group="Style",
    share=True,
    says="with {a} the therapist reflects in {by} of its turns than with {b}",
)
@headline(
    "therapist.reflection_share",
    label="therapist's statements that reflect",
    group="Style",
    share=True,
    says="with {a} the therapist reflects in {by} of its statements than with {b}",
)
@headline(
    "therapist.input_share",
    label="therapist's statements that advise, inform or confront",
    group="Style",
    share=True,
    says="with {a} the therapist advises, informs or confronts in {by} of its statements than with {b}",
)
def conduct(turns: Sequence[Turn], said: Sequence[Said], done: "Conduct | None" = None) -> dict[str, Any]:
    """Measures of the therapist's turns; `said` are all turns cut up, `done` what was added up while they were said. English
    only: of other languages all are None.
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
"""Of the measures, in order."""


class Conduct:
    """What the therapist did in a session so far, added up turn by turn, so that a turn that was just said is heard once for
    its patient and for the measures."""

    def __init__(self) -> None:
        self._patient: deque[str] = deque(maxlen=RECENT)
        self._turns = 0
        """The therapist's that say something."""
        self._acts = dict.fromkeys((Act.REFLECTION, *_RATES.values()), 0)
        """Turns that do each."""
        self._complex = self._backchannels = self._asking = 0
        """Turns."""
        self._questions = self._open_questions = 0
        self._statement_words = 0
        self._reflecting_words = self._input_words = 0.0
        self._with_permission = 0
        """Turns with advice, after leave was asked for in them or in the turn before."""
        self._leave = False
        """Whether the last turn asked for leave."""

    def add(self, turn: Turn) -> None:
        """The session's next turn, whose ever it is."""
        if turn.speaker is Speaker.PATIENT:
            self._patient.append(turn.text)
        elif (heard := hear(turn.text, self._patient)).sentences:
            self._count(heard)

    def _count(self, heard: Heard) -> None:
        for act in self._acts:
            self._acts[act] += heard.does(act)
        self._turns += 1
        self._complex += heard.does(Act.REFLECTION) and heard.does(Act.COMPLEX)
        self._backchannels += heard.backchannel
        self._questions += heard.questions
        self._open_questions += heard.open_questions
        self._asking += heard.questions > 0
        self._statement_words += heard.statement_words
        if heard.does(Act.REFLECTION):
            self._reflecting_words += heard.share(Act.REFLECTION) * heard.statement_words
        self._input_words += heard.expected(*INPUT)
        self._with_permission += heard.does(Act.ADVICE) and (heard.with_permission or self._leave)
        self._leave = heard.with_permission

    def measures(self) -> dict[str, Any]:
        """By `NAMES`; None where there is nothing to divide by."""
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
