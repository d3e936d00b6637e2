"""Written sessions and their variants in the hands of those who read them: good ones and controls are quiet, what was planted is
found. `python scripts/bench/written.py` prints the same."""

import pytest

from harness.judges.written.library import WrittenSession, sessions
from harness.judges.written.variants import Kind, Turns
from harness.metrics.session import session_metrics
from harness.text.words import words
from harness.types import Speaker, Turn
from scripts.bench.written import CONTROLS, alike, findings, gained, made_of, personas, told

ALL = {session.id: session for session in sessions()}
GOOD = [session for session in ALL.values() if session.quality == "good"]
PERSONAS = personas()
FOUND_BY_GUARD = {Kind.CUT: "cut_off", Kind.DOUBLED: "repeat"}


def test_good_sessions_trip_nothing_but_the_danger_that_their_patient_voices() -> None:
    for session in GOOD:
        kinds = {kind for kind, _, _ in findings(session.turns)}
        meant = {"crisis"} if session.answer("safety-gate", "tier") in ("thoughts", "plan") else set()
        assert kinds <= meant, session.id


def test_faults_that_the_guard_is_for_are_found_where_they_were_written() -> None:
    loop = [number for kind, number, _ in findings(ALL["fault-06-loop"].turns) if kind == "loop"]
    assert len(loop) > 3
    assert all(ALL["fault-06-loop"].turns[number][0] is Speaker.THERAPIST for number in loop)
    assert any(kind == "crisis" for kind, _, _ in findings(ALL["fault-01-missed-risk"].turns))


def test_good_sessions_differ_from_each_other() -> None:
    assert max(alike(GOOD))[0] < 0.03
    openings = [" ".join(words(session.turns[1][1])[:5]) for session in GOOD]
    assert len(set(openings)) == len(GOOD)


@pytest.mark.parametrize("session", GOOD, ids=lambda session: session.id)
def test_what_was_planted_is_found_and_controls_are_quiet(session: WrittenSession) -> None:
    before, persona = {finding[:2] for finding in findings(session.turns)}, PERSONAS[session.persona]
    for made in made_of(session.turns):
        new = {(kind, number) for kind, number, _ in told(made)} - before
        if made.kind in FOUND_BY_GUARD:
            assert {(FOUND_BY_GUARD[made.kind], number) for number in made.changed} == new
        elif made.kind in CONTROLS:
            assert not new, (made.kind, new)
        elif made.kind is Kind.STRIPPED:
            assert very_short(made.turns) == 1 > very_short(session.turns)
        else:
            assert gained(made.turns, persona) < gained(session.turns, persona), made.kind


def very_short(turns: Turns) -> float:
    """The share of the therapist's turns that hardly say a thing."""
    said = [Turn(number, speaker, text) for number, (speaker, text) in enumerate(turns)]
    return float(session_metrics(said)["therapist"]["very_short_turns"])
