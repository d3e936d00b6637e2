"""What a sweep promises before and besides playing: its points, its folder, its record, its exit code."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.guard.findings import FAULTS
from harness.sweeps import cluster
from harness.sweeps.record import PointRecord, PointState, SweepRecord, mark, read_sweep, refresh, write_points

DRY = "engine=dry"


def point(name: str, *overrides: str) -> PointRecord:
    return PointRecord(folder=name, config_hash=name * 4, settings=(), overrides=overrides)


def write(folder: Path, *points: PointRecord, on_failure: str | int = "continue") -> SweepRecord:
    return write_points(folder, points, overrides=(), config_dir=None, on_failure=on_failure)


def test_points_are_added_and_never_taken_away(tmp_path: Path) -> None:
    write(tmp_path, point("a", "x=1"))
    mark(tmp_path, {"a"}, PointState.FAILED, exit_code=2, error="why")
    record = write(tmp_path, point("a", "x=1"), point("b", "x=2"))
    assert [(p.folder, p.state) for p in record.points] == [("a", PointState.FAILED), ("b", PointState.WAITING)]
    record = write(tmp_path, point("c", "x=3"))
    assert [p.folder for p in record.points] == ["a", "b", "c"]
    assert record.point("a").error == "why"


def test_points_are_labelled_by_what_tells_them_apart(tmp_path: Path) -> None:
    record = write(tmp_path, point("a", "engine=dry", "x=1"), point("b", "engine=dry", "x=2"))
    assert [p.label for p in record.points] == ["x=1", "x=2"]
    assert write(tmp_path / "one", point("a", "x=1")).points[0].label == "a"


def test_many_processes_may_mark_points_at_once(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(20)]
    write(tmp_path, *(point(name) for name in names))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: mark(tmp_path, {name}, PointState.FAILED, exit_code=1), names))
    assert refresh(tmp_path).count(PointState.FAILED) == 20


def test_a_point_that_was_to_start_when_its_process_died_waits_again(tmp_path: Path) -> None:
    write(tmp_path, point("a"))
    mark(tmp_path, {"a"}, PointState.RUNNING)
    assert read_sweep(tmp_path).points[0].state is PointState.WAITING


@pytest.mark.parametrize(
    ("on_failure", "failed", "before", "stops"),
    [
        ("continue", 3, 0, False),
        ("fail_fast", 1, 0, True),
        ("fail_fast", 1, 1, False),
        (2, 1, 0, False),
        (2, 3, 1, True),
    ],
)
def test_on_failure_counts_the_points_that_failed_since_the_start(
    tmp_path: Path, on_failure: str | int, failed: int, before: int, stops: bool
) -> None:
    names = ["a", "b", "c"]
    write(tmp_path, *(point(name) for name in names), on_failure=on_failure)
    record = mark(tmp_path, set(names[:failed]), PointState.FAILED, exit_code=1)
    assert record.is_stopped(before) is stops


def test_a_damaged_sweep_is_refused_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"points": 3}')
    with pytest.raises(StorageError, match=r"sweep\.json: .*damaged"):
        read_sweep(tmp_path)


def test_a_patients_crisis_is_no_finding_and_every_other_action_of_the_guard_is() -> None:
    assert {"loop", "role_break", "echo", "empty", "cut_off"} <= FAULTS
    assert not FAULTS & {"crisis", "enabled", "window"}


@pytest.mark.parametrize(
    ("executor", "number", "requeued", "leaves"),
    [
        ("slurm", signal.SIGUSR2, True, SystemExit),
        ("slurm", signal.SIGTERM, False, SystemExit),
        ("local", signal.SIGTERM, True, SystemExit),
        ("local", signal.SIGINT, False, SystemExit),
        (None, signal.SIGTERM, False, KeyboardInterrupt),
    ],
)
def test_a_job_asks_to_be_queued_again_only_where_nobody_else_decides_that(
    monkeypatch: pytest.MonkeyPatch,
    executor: str | None,
    number: signal.Signals,
    requeued: bool,
    leaves: type[BaseException],
) -> None:
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    monkeypatch.delenv("SUBMITIT_PREEMPT_SIGNAL", raising=False)
    if executor:
        monkeypatch.setenv("SUBMITIT_EXECUTOR", executor)
    received: list[int] = []
    previous = signal.signal(signal.SIGUSR2, lambda number, frame: received.append(number))
    try:
        with pytest.raises(leaves):
            cluster.leave(number)
    finally:
        signal.signal(signal.SIGUSR2, previous)
    assert bool(received) is requeued
    assert (signal.SIGUSR2 in cluster.signals_of_this_job()) is (executor is not None)
