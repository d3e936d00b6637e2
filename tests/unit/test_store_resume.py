"""A resumed run goes on exactly where it was: no turn missing, changed or done twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StorageError
from harness.store.identity import config_hash, differences, refuse_changed
from harness.store.records import RunStatus, read_record
from harness.store.resume import Progress, SessionState, load_progress
from harness.store.run_dir import RunDir
from harness.types import Event, Failure, Speaker, StopReason
from tests.store_samples import by_id, lines, metrics, play, record, spec, turn, view

CONFIG: dict[str, Any] = {
    "run": {"name": None, "dir": None},
    "seed": 0,
    "concurrency": "auto",
    "therapist": {
        "max_new_tokens": 256,
        "engine": {"kind": "vllm", "request_timeout_s": 600.0, "max_batch": 32, "args": {"dtype": "auto"}},
        "model": {"path": "smollm2-135m", "template_args": {}},
    },
}


def changed(key: str, value: object) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    *path, last = key.split(".")
    place = config
    for part in path:
        place = place[part]
    place[last] = value
    return config


def nudge(index: int) -> Event:
    return Event("nudge", index, Speaker.THERAPIST, {"n": index})


def start(path: Path) -> RunDir:
    """Session 0 is between turns 2 and 3, session 2 failed after its first turn."""
    run_dir = RunDir.create(path, record(sessions=4))
    for number in (0, 2):
        run_dir.start_session(spec(number), patient={"system": "s"})
    for index in range(3):
        run_dir.record_event("p-000", nudge(index))
        run_dir.record_turn("p-000", turn(spec(0), index), view(index))
    run_dir.record_event("p-000", nudge(3))
    run_dir.record_turn("p-002", turn(spec(2), 0), view(0))
    run_dir.record_event("p-002", nudge(1))
    run_dir.fail_session(Failure(spec(2), "EngineError", "500", "therapist/1", (turn(spec(2), 0),)))
    return run_dir


async def test_progress_says_how_far_every_session_is(tmp_path: Path) -> None:
    with start(tmp_path / "run") as run_dir:
        await play(run_dir, Progress(), [spec(5)], 4, 0)
    run_dir, progress = RunDir.open(tmp_path / "run")
    run_dir.close()
    assert [progress.state(spec(number).session_id) for number in (0, 5, 2, 3)] == [
        SessionState.IN_PROGRESS,
        SessionState.FINISHED,
        SessionState.FAILED,
        None,
    ]
    session = progress.in_progress["p-000"]
    assert session.spec == spec(0)
    assert session.turns == [turn(spec(0), index) for index in range(3)]
    assert session.views == {Speaker.PATIENT: view(2), Speaker.THERAPIST: view(1)}
    assert session.patient_state == {"trust": 0.2, "said": ["x"]}
    assert session.started["patient"] == {"system": "s", "opening": None}
    assert session.stop is None
    found = read_record(tmp_path / "run")
    assert (found.status, found.resumed, found.finished_at) == (RunStatus.RUNNING, 1, None)
    assert (found.totals.sessions, found.totals.finished, found.totals.failed, found.totals.turns) == (4, 1, 1, 8)


def test_events_of_a_turn_that_was_never_finished_are_made_again_not_doubled(tmp_path: Path) -> None:
    start(tmp_path / "run").close()
    run_dir, progress = RunDir.open(tmp_path / "run")
    with run_dir:
        assert progress.in_progress["p-000"].events == [nudge(0), nudge(1), nudge(2)]
        run_dir.record_event("p-000", nudge(3))
        run_dir.record_turn("p-000", turn(spec(0), 3), view(3))
    again = load_progress(tmp_path / "run").in_progress["p-000"]
    assert again.events == [nudge(0), nudge(1), nudge(2), nudge(3)]


def test_events_after_the_last_turn_belong_to_a_session_that_stops(tmp_path: Path) -> None:
    start(tmp_path / "run").close()
    ended: list[tuple[str, tuple[Event, ...]]] = []
    with (tmp_path / "run" / "journal.jsonl").open("a") as file:
        file.write('{"event":"stopped","session_id":"p-000","stop_reason":"loop","metrics":{}}\n')
    load_progress(
        tmp_path / "run",
        lambda result, _: ended.append((result.stop_reason, result.events)),
    )
    assert ended == [(StopReason.LOOP, (nudge(0), nudge(1), nudge(2), nudge(3)))]


def test_why_a_turn_ends_a_session_survives_a_kill_before_its_end_is_written(tmp_path: Path) -> None:
    with start(tmp_path / "run") as run_dir:
        run_dir.record_turn("p-000", turn(spec(0), 3), view(3), StopReason.PATIENT_ENDED)
    run_dir, progress = RunDir.open(tmp_path / "run")
    run_dir.close()
    assert progress.in_progress["p-000"].stop is StopReason.PATIENT_ENDED


def test_failed_sessions_stay_failed_until_they_are_retried(tmp_path: Path) -> None:
    path = tmp_path / "run"
    start(path).close()
    run_dir, progress = RunDir.open(path)
    run_dir.close()
    assert (list(progress.in_progress), list(progress.failed)) == (["p-000"], ["p-002"])
    assert list(by_id(path / "failures.jsonl")) == ["p-002"]
    run_dir, progress = RunDir.open(path, retry_failed=True)
    with run_dir:
        assert (list(progress.in_progress), progress.failed) == (["p-000", "p-002"], {})
        assert progress.in_progress["p-002"].turns == [turn(spec(2), 0)]
        assert progress.in_progress["p-002"].events == []
        assert by_id(path / "failures.jsonl") == {}
        failure = Failure(spec(2), "EngineError", "again", "therapist/1", (turn(spec(2), 0),))
        run_dir.fail_session(failure)
    assert by_id(path / "failures.jsonl")["p-002"]["message"] == "again"
    RunDir.open(path)[0].close()
    assert by_id(path / "failures.jsonl")["p-002"]["message"] == "again"
    assert read_record(path).totals.failed == 1


async def test_derived_files_are_written_again_from_the_journal(tmp_path: Path) -> None:
    """Lines and transcripts that a kill left out come back just as they would have been."""
    path = tmp_path / "run"
    with start(path) as run_dir:
        await play(run_dir, Progress(), [spec(5), spec(6)], 6, 0)
    files = (path / "sessions.jsonl", path / "failures.jsonl", path / "transcripts" / "p-006.md")
    before = [file.read_bytes() for file in files]
    files[0].write_bytes(before[0][: len(before[0]) // 2])
    files[1].unlink()
    files[2].unlink()
    RunDir.open(path)[0].close()
    assert [file.read_bytes() for file in files] == before


async def test_nothing_is_thrown_away_when_the_journal_is_short(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunDir.create(path, record()) as run_dir:
        await play(run_dir, Progress(), [spec(0), spec(1)], 4, 0)
    before = (path / "sessions.jsonl").read_bytes()
    (path / "journal.jsonl").unlink()
    with pytest.raises(StorageError, match=r"has the end of p-000 and 1 more, which the journal lacks"):
        RunDir.open(path)
    assert (path / "sessions.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"event": "turn", "turn": 2}, "session p-000: turn 2 found, turn 3 expected"),
        ({"event": "turn", "turn": 4}, "session p-000: turn 4 found, turn 3 expected"),
        ({"event": "turn", "session_id": "p-002", "turn": 1}, "`turn` of session p-002, which has not started or is"),
        ({"event": "stopped", "session_id": "p-777"}, "`stopped` of session p-777, which has not started or is over"),
        ({"event": "stopped", "stop_reason": "tired"}, "Input should be 'max_exchanges'"),
        ({"event": "session_started", "persona_id": "p", "seed": 1, "index": 0}, "session p-000 starts a second time"),
        ({"event": "session_started", "session_id": "p-9", "seed": 1, "index": 0}, "persona_id: Input should be a"),
        ({"event": "failed", "error": "E"}, "message: Input should be a valid string, found 'None'"),
        ({"event": "nudge", "speaker": "nobody", "turn": 3}, "speaker: Input should be 'patient' or 'therapist'"),
        ({"event": "retry_failed"}, "`retry_failed` of session p-000, which has not started or is over"),
    ],
)
def test_a_journal_that_contradicts_itself_is_refused_by_line(tmp_path: Path, line: dict[str, Any], said: str) -> None:
    path = tmp_path / "run" / "journal.jsonl"
    start(path.parent).close()
    (*_, last) = (record for record in lines(path) if record["event"] == "turn" and record["session_id"] == "p-000")
    if line["event"] == "turn":
        line = {**line, "turn": {**last["turn"], "index": line["turn"]}}
    count = len(list(lines(path)))
    with path.open("a") as file:
        file.write(json.dumps({"session_id": "p-000", **line}) + '\n{"event":"later","session_id":null}\n')
    with pytest.raises(StorageError) as caught:
        RunDir.open(path.parent)
    assert str(caught.value).startswith(f"{path}:{count + 1}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_events_of_the_run_itself_touch_no_session(tmp_path: Path) -> None:
    with start(tmp_path / "run") as run_dir:
        run_dir.journal.append("engine_restarted", None, engine="vllm", speaker="patient")
        run_dir.journal.append("note", "p-000", text="x")
    assert len(load_progress(tmp_path / "run").in_progress) == 1


async def test_finished_sessions_keep_their_metrics(tmp_path: Path) -> None:
    with RunDir.create(tmp_path / "run", record()) as run_dir:
        await play(run_dir, Progress(), [spec(3)], 4, 0)
    (tmp_path / "run" / "sessions.jsonl").write_bytes(b"")
    RunDir.open(tmp_path / "run")[0].close()
    assert by_id(tmp_path / "run" / "sessions.jsonl")["p-003"]["metrics"] == metrics(spec(3))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run", {"name": "x", "dir": "/tmp/x"}),
        ("concurrency", 4),
        ("therapist.engine.request_timeout_s", 1.0),
        ("therapist.engine.max_batch", 1),
    ],
)
def test_settings_that_cannot_change_results_may_change(key: str, value: object) -> None:
    assert config_hash(changed(key, value)) == config_hash(CONFIG)
    assert differences(CONFIG, changed(key, value)) == []


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("seed", 1, "seed: 0 -> 1"),
        ("therapist.max_new_tokens", 128, "therapist.max_new_tokens: 256 -> 128"),
        ("therapist.engine.args", {}, 'therapist.engine.args.dtype: "auto" -> (not set)'),
        ("therapist.model.path", "x", 'therapist.model.path: "smollm2-135m" -> "x"'),
    ],
)
def test_a_changed_config_is_refused_with_the_differences(key: str, value: object, line: str) -> None:
    assert config_hash(changed(key, value)) != config_hash(CONFIG)
    assert line in differences(CONFIG, changed(key, value))
    with pytest.raises(StorageError) as caught:
        refuse_changed(record(CONFIG), changed(key, value), {"p": "0" * 64})
    assert f"\n  {line}" in str(caught.value)


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert config_hash(dict(reversed(CONFIG.items()))) == config_hash(CONFIG)


def test_a_changed_persona_is_refused() -> None:
    refuse_changed(record(CONFIG), CONFIG, {"p": "0" * 64})
    with pytest.raises(StorageError, match=r"persona p: 000000000000 -> 111111111111"):
        refuse_changed(record(CONFIG), CONFIG, {"p": "1" * 64})
    with pytest.raises(StorageError, match=r"persona q: \(not in the run\) -> 111111111111"):
        refuse_changed(record(CONFIG), CONFIG, {"p": "0" * 64, "q": "1" * 64})
