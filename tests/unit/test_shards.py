"""A run that replicas journal: its shards read as one journal, and nothing counts that came too late."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.config.schema import ExecutorConfig
from harness.errors import StorageError
from harness.store.identity import config_hash
from harness.store.journal import closed_shards, read_journal, shard_path
from harness.store.resume import Progress, SessionState, load_progress
from harness.store.run_dir import RunDir
from harness.store.shard import Shard
from harness.types import Failure, SessionResult, SessionSpec, StopReason
from tests.store_samples import by_id, events, journalled, metrics, play, record, spec, turn, view

P = spec(0)


def say(shard: Shard, of: SessionSpec, indices: Sequence[int]) -> None:
    """Journal turns and what happens before each."""
    for index in indices:
        for event in events(of, index):
            shard.record_event(of.session_id, event)
        shard.record_turn(of.session_id, turn(of, index), view(index))


def ended(of: SessionSpec, turns: int) -> SessionResult:
    happened = tuple(event for index in range(turns) for event in events(of, index))
    return SessionResult(of, StopReason.MAX_EXCHANGES, tuple(turn(of, i) for i in range(turns)), happened)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "run", record(sessions=2))


def shard(run: RunDir, name: str) -> Shard:
    run.first_shard()
    return Shard(run.path, name)


async def test_a_session_that_moved_is_read_as_one_and_what_came_too_late_is_not(run: RunDir) -> None:
    first, second = shard(run, "replica-0"), shard(run, "replica-1")
    run.hand_out(P.session_id, "replica-0")
    first.start_session(P, patient={"system": "You are p."})
    say(first, P, range(3))
    first.record_event(P.session_id, events(P, 3)[0])  # of a turn that is never finished
    await first.committed()
    run.close_shard("replica-0")
    await run.committed()
    past = load_progress(run.path, only={P.session_id}).in_progress[P.session_id]
    assert len(past.turns) == 3
    say(first, P, (3, 4))  # it lived on behind a broken network
    first.fail_session(Failure(P, "EngineError", "gone", "patient/5", ()))
    first.close()
    run.hand_out(P.session_id, "replica-1")
    say(second, P, range(3, 6))
    result = ended(P, 6)
    second.finish_session(result, metrics(P))
    run.take_back(await second.taken(P.session_id))
    second.close()
    run.close()
    found: list[SessionResult] = []
    progress = load_progress(run.path, lambda result, _: found.append(result))
    assert found == [result]
    assert progress.turns == 6
    said = [event["turn"]["index"] for event in journalled(run.path) if event["event"] == "turn"]
    assert said == list(range(6))
    written = (run.path / "sessions.jsonl").read_bytes()
    RunDir.open(run.path)[0].close()
    assert (run.path / "sessions.jsonl").read_bytes() == written


async def test_resuming_closes_what_a_killed_driver_left_open(run: RunDir) -> None:
    log = shard(run, "replica-0")
    run.hand_out(P.session_id, "replica-0")
    log.start_session(P)
    say(log, P, range(2))
    await log.committed()
    run.close()
    path = shard_path(run.path, "replica-0")
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b'{"event":"turn","session_id":"p-000"')  # torn
    again, progress = RunDir.open(run.path)
    assert len(progress.in_progress[P.session_id].turns) == 2
    assert again.record.totals.turns == 2
    assert closed_shards(run.path) == {"replica-0": size}
    assert again.first_shard() == 1, "a shard gets no second writer"
    say(log, P, (2,))
    log.close()
    again.close()
    assert len(load_progress(run.path).in_progress[P.session_id].turns) == 2
    RunDir.open(run.path)[0].close()
    assert closed_shards(run.path) == {"replica-0": size}, "it stays closed where it was"


async def test_totals_of_a_run_on_replicas_are_counted_by_reading(run: RunDir) -> None:
    log = shard(run, "replica-0")
    run.hand_out(P.session_id, "replica-0")
    log.start_session(P)
    say(log, P, range(4))
    log.close()
    run.end(run.record.status)
    run.close()
    assert run.record.totals.turns == 4
    assert run.record.totals.sessions == 2


async def test_failed_on_a_replica_and_retried_in_another_process(run: RunDir) -> None:
    log = shard(run, "replica-0")
    run.hand_out(P.session_id, "replica-0")
    log.start_session(P)
    say(log, P, range(2))
    log.fail_session(Failure(P, "EngineError", "no", "patient/2", (turn(P, 0), turn(P, 1))))
    run.take_back(await log.taken(P.session_id))
    log.close()
    run.close()
    assert by_id(run.path / "failures.jsonl")[P.session_id]["where"] == "patient/2"
    again, progress = RunDir.open(run.path, retry_failed=True)
    await play(again, progress, [P], 4)
    again.close()
    assert load_progress(run.path).state(P.session_id) is SessionState.FINISHED
    assert len(by_id(run.path / "sessions.jsonl")[P.session_id]["turns"]) == 4
    assert (run.path / "failures.jsonl").read_bytes() == b""


async def test_what_is_wrong_with_a_shard_is_told_by_its_line(run: RunDir) -> None:
    log = shard(run, "replica-0")
    run.hand_out(P.session_id, "replica-0")
    log.start_session(P)
    log.close()
    run.close()
    path = shard_path(run.path, "replica-0")
    whole = path.read_bytes()
    path.write_bytes(whole + b"broken\n")
    with pytest.raises(StorageError, match=r"replica-0\.jsonl:2: broken line"):
        list(read_journal(run.path))
    path.write_bytes(whole + b'{"event":"turn","session_id":"p-000","turn":{}}\n')
    with pytest.raises(StorageError, match=r"replica-0\.jsonl:2: index"):
        load_progress(run.path)
    path.unlink()
    with pytest.raises(StorageError, match=r"replica-0\.jsonl: can't read: No such file"):
        load_progress(run.path)


async def test_other_sessions_are_left_out_where_only_some_are_asked_for(run: RunDir) -> None:
    await play(run, Progress(), [spec(0), spec(1)], 2)
    run.close()
    assert {place for place, event in read_journal(run.path, only={"p-001"})} < {p for p, _ in read_journal(run.path)}
    assert {event["session_id"] for _, event in read_journal(run.path, only={"p-001"})} == {"p-001"}


def test_where_sessions_are_played_does_not_count_for_the_hash() -> None:
    settings = [
        {"seed": 1, "executor": json.loads(ExecutorConfig(kind=kind).model_dump_json())} for kind in ("local", "ray")
    ]
    assert config_hash(settings[0]) == config_hash(settings[1]) == config_hash({"seed": 1})
