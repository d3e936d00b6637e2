"""What the therapist does, as `harness.hearing` hears it: reflections, questions, advice, affirmations and the like.

Invariants:
- Shares are in [0, 1]; what can't be computed (no turn, no statement, no question, another language) is None.
- A turn is heard after the patient's last turns, so what is given back is told from what would be said to anybody.

docs/metrics.md says how each measure agrees with people who coded the same turns.
"""

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
def conduct(turns: Sequence[Turn], said: Sequence[Said]) -> dict[str, Any]:
    """Measures of the therapist's turns; `said` are all turns cut up. English only: of other languages all are None."""
    heard = list(_heard(turns)) if _speaks_english(turns, said) else []
    if not heard:
        return dict.fromkeys(NAMES)
    count = len(heard)
    reflecting = sum(one.does(Act.REFLECTION) for one in heard)
    statements = sum(one.statement_words for one in heard)
    questions = sum(one.questions for one in heard)
    advising = [place for place, one in enumerate(heard) if one.does(Act.ADVICE)]
    asked = sum(heard[place].with_permission or (place > 0 and heard[place - 1].with_permission) for place in advising)
    return {
        "reflection_rate": share(reflecting, count),
        "reflection_share": share(
            sum(one.share(Act.REFLECTION) * one.statement_words for one in heard if one.does(Act.REFLECTION)),
            statements,
        ),
        "complex_share": share(sum(one.does(Act.REFLECTION) and one.does(Act.COMPLEX) for one in heard), reflecting),
        "reflections_per_question": share(reflecting, sum(one.questions > 0 for one in heard)),
        "open_question_share": share(sum(one.open_questions for one in heard), questions),
        "input_share": share(sum(one.expected(*INPUT) for one in heard), statements),
        "permission_share": share(asked, len(advising)),
        **{name: share(sum(one.does(act) for one in heard), count) for name, act in _RATES.items()},
        "backchannel_rate": share(sum(one.backchannel for one in heard), count),
    }


NAMES = (
    *("reflection_rate", "reflection_share", "complex_share", "reflections_per_question", "open_question_share"),
    *("input_share", "permission_share", *_RATES, "backchannel_rate"),
)
"""Of the measures, in order."""


def _heard(turns: Sequence[Turn]) -> Sequence[Heard]:
    """The therapist's turns that say something, each heard after the patient's last turns."""
    patient: list[str] = []
    found: list[Heard] = []
    for turn in turns:
        if turn.speaker is Speaker.PATIENT:
            patient.append(turn.text)
        elif (one := hear(turn.text, patient[-RECENT:])).sentences:
            found.append(one)
    return found


def _speaks_english(turns: Sequence[Turn], said: Sequence[Said]) -> bool:
    words = [
        word for turn, cut in zip(turns, said, strict=True) if turn.speaker is Speaker.THERAPIST for word in cut.words
    ]
    return bool(words) and sum(map(FUNCTION_WORDS.__contains__, words)) >= _ENGLISH * len(words)
