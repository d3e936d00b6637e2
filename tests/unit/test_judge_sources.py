"""What is judged: the sessions of a run, then its courses, read a bounded number of times."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from harness.judges import sources
from harness.personas.sampler import sample
from harness.store.encoding import encode
from harness.store.records import SessionRecord, read_sessions
from harness.types import Speaker, StopReason, Turn
from tests.fixtures.comparing import Session, config, write_run

COURSES, SESSIONS = 150, 2


def _run(folder: Path) -> Path:
    """A run of courses; their sessions end in turns."""
    numbered: list[Session] = [(f"p{course}", number, {}) for number in range(SESSIONS) for course in range(COURSES)]
    write_run(folder, config(), numbered)
    lines = [orjson.loads(line) for line in (folder / "sessions.jsonl").read_bytes().splitlines()]
    for line, (persona, number, _) in zip(lines, numbered, strict=True):
        said = {"index": 0, "speaker": "patient", "text": f"{persona}, {number}"}
        line |= {"course": f"{persona}-000", "number": number + 1, "turns": [said]}
    (folder / "sessions.jsonl").write_bytes(b"".join(map(encode, lines)))
    return folder


def test_courses_come_after_sessions_each_whole_and_in_order(tmp_path: Path) -> None:
    found = list(sources.subjects(_run(tmp_path / "run"), {}, courses=True))
    whole = found[COURSES * SESSIONS :]
    assert [subject.session_id for subject in whole] == [f"p{course}-000" for course in range(COURSES)]
    assert [said.text for said in whole[100].turns] == ["p100, 0", "p100, 1"]
    assert len(list(sources.subjects(tmp_path / "run", {}, courses=False))) == COURSES * SESSIONS


def test_the_sessions_are_not_read_once_for_each_course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = 0

    def counted(path: Path) -> Iterator[SessionRecord]:
        nonlocal times
        times += 1
        return read_sessions(path)

    monkeypatch.setattr(sources, "read_sessions", counted)
    assert len(list(sources.subjects(_run(tmp_path / "run"), {}, courses=True))) == COURSES * (SESSIONS + 1)
    assert times < COURSES / 10


@pytest.mark.parametrize("state", [{"trust": 0.3}, {"told": None}, {"told": "two"}])
def test_a_state_without_a_number_of_layers_told_tells_none(state: dict[str, object]) -> None:
    turn = Turn(0, Speaker.PATIENT, "Hi.", patient_state=state)
    session = SessionRecord(session_id="a", persona_id="a", seed=1, stop_reason=StopReason.MAX_EXCHANGES, turns=(turn,))
    assert sources.risk_expressed(session, sample(1, 3)[0]) is not True
