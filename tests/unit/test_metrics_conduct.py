"""What a therapist did, added up while the turns are said, is what the whole session gives."""

from pathlib import Path

import harness
from harness.hearing import ACTS, Act, Heard, Sentence
from harness.metrics.conduct import NAMES, Conduct
from harness.metrics.session import session_metrics
from harness.store.records import read_sessions

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


def test_a_run_s_measures_are_those_of_its_turns(tmp_path: Path) -> None:
    run = harness.run(
        engine="dry", personas=["two-cups"], max_exchanges=4, quiet=True, run={"dir": str(tmp_path / "run")}
    )
    [session] = read_sessions(run.path / "sessions.jsonl")
    kept, again = session.metrics["therapist"], session_metrics(session.turns)["therapist"]
    assert {name: kept[name] for name in NAMES} == {name: again[name] for name in NAMES}
    assert kept["reflection_rate"] is not None
