"""What a sweep promises before and besides playing: its points, its folder, its record, its exit code."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import ConfigError, StorageError
from harness.guard.findings import KINDS
from harness.sweep import cluster
from harness.sweep.expand import expand
from harness.sweep.record import PointRecord, PointState, SweepRecord, mark, read_sweep, refresh, write_points

DRY = "engine=dry"


def point(name: str, *overrides: str) -> PointRecord:
    return PointRecord(folder=name, config_hash=name * 4, settings=(), overrides=overrides)


def write(folder: Path, *points: PointRecord, on_failure: str | int = "continue") -> SweepRecord:
    return write_points(folder, points, overrides=(), config_dir=None, on_failure=on_failure)


def test_every_combination_is_a_point_in_hydras_order() -> None:
    points = expand([DRY, "therapist=act,cbt", "seed=0,1"], None)
    assert [(p.config.therapist.name, p.config.seed) for p in points] == [
        ("act", 0),
        ("act", 1),
        ("cbt", 0),
        ("cbt", 1),
    ]
    assert len({p.folder for p in points}) == 4


def test_a_points_folder_is_named_by_what_can_change_its_results_alone() -> None:
    (first,) = expand([DRY, "run.dir=somewhere", "concurrency=3", "on_failure=2"], None)
    (again,) = expand([DRY, "seed=0"], None)
    (other,) = expand([DRY, "seed=1"], None)
    assert first.folder == again.folder == again.config_hash[:12]
    assert other.folder != first.folder


def test_the_users_own_config_files_come_first(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: 3,4\n"
    )
    assert [p.config.seed for p in expand([DRY, "experiment=mine"], tmp_path)] == [3, 4]


def test_every_mistake_is_one_line_that_names_the_point_it_is_in() -> None:
    with pytest.raises(ConfigError) as caught:
        expand([DRY, "therapist=act,nope", "seed=0,-1", "max_exchanges=0"], None)
    lines = caught.value.lines
    assert sum("therapist=nope: no such choice" in line for line in lines) == 1
    assert any(line.startswith("point therapist=nope seed=0 (and 1 more): ") for line in lines)
    assert any(line.startswith("point therapist=act seed=-1: ") and "seed" in line for line in lines)
    assert sum("max_exchanges" in line.partition(": ")[2] for line in lines) == 1


def test_a_mistake_that_all_points_have_is_told_once_without_a_point() -> None:
    with pytest.raises(ConfigError) as caught:
        expand([DRY, "therapist=act,cbt", "max_exchanges=0"], None)
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith("command line: max_exchanges: ")


def test_what_is_no_setting_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="'context=\\[' is not a setting"):
        expand([DRY, "context=["], None)


def test_an_unknown_launcher_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="hydra/launcher/nope"):
        expand([DRY, "hydra/launcher=nope"], None)


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
    assert {"loop", "role_break", "echo", "empty", "cut_off"} <= KINDS
    assert not KINDS & {"crisis", "enabled", "window"}


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
