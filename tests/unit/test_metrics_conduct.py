"""What a therapist did, added up while the turns are said, is what the whole session gives."""

from harness.hearing import ACTS, Act, Heard, Sentence
from harness.metrics.conduct import Conduct

LIMITS = (0.5,) * len(ACTS)


def heard(*acts: Act) -> Heard:
    scores = tuple(0.9 if act in acts else 0.1 for act in ACTS)
    return Heard.of((Sentence(("so", "it", "is", "lonely"), None, scores, ()),), LIMITS)


def test_a_complex_reflection_is_a_reflection_and_permission_may_come_a_turn_before_advice() -> None:
    done = Conduct()
    for acts in (
        (Act.REFLECTION, Act.COMPLEX),
        (Act.REFLECTION,),
        (Act.COMPLEX, Act.PERMISSION),
        (Act.ADVICE,),
        (Act.ADVICE,),
    ):
        done._count(heard(*acts))
    found = done.measures()
    assert found["complex_share"] == 0.5
    assert found["reflection_rate"] == 0.4
    assert found["permission_share"] == 0.5
