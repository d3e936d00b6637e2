"""Plays a sweep: expands and checks its points, launches those that are left, and sums up.

Invariants:
- Every point is composed and checked before anything is launched.
- Nothing in a folder is overwritten: a sweep that is started again continues, and new points are added.
- One process at a time runs a sweep.
"""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from harness.config.overrides import changed
from harness.config.recorded import TRUST_FLAG, refuse_code
from harness.config.servers import refuse_server, remember
from harness.errors import ConfigError, HarnessError, StorageError
from harness.report.sweep import write_sweep_report
from harness.runs.interrupts import handled_here, handlers_kept
from harness.runs.prepare import recorded_config
from harness.runs.reporter import Reporter
from harness.runs.single import resume_command
from harness.store.identity import config_hash, differences
from harness.store.lock import lock
from harness.store.outputs import default_path
from harness.store.records import RunStatus, is_judged, read_record
from harness.sweeps.expand import Point, check_points, expand, with_content
from harness.sweeps.launch import launch
from harness.sweeps.player import Player
from harness.sweeps.record import (
    PointRecord,
    PointState,
    SweepRecord,
    is_sweep,
    mark,
    read_sweep,
    refresh,
    write_points,
)


def sweep(overrides: Sequence[str], config_dir: Path | None, reporter: Callable[[], Reporter]) -> tuple[Path, int]:
    """Play every combination of the settings in `overrides`; returns the sweep's folder and the worst exit code.

    Raises `ConfigError` with a line for every mistake in any point, before anything is loaded, and `StorageError` if the
    folder can't be used.
    """
    found = with_content(expand(overrides, config_dir))
    folder = _folder(found)
    found = _as_recorded(folder, found)
    points = list({point.folder: point for point in reversed(found)}.values())[::-1]
    remember([point.config for point in points])
    same = f", {len(found) - len(points)} more are the same as another" if len(points) < len(found) else ""
    reporter().say(f"points: {len(points)}, all settings checked{same}")
    held = lock(folder)
    try:
        record = write_points(
            folder,
            [_record(point) for point in points],
            overrides=overrides,
            config_dir=config_dir.resolve() if config_dir else None,
            on_failure=points[0].config.on_failure,
        )
        asked = {point.folder for point in points}
        return folder, _lead(
            folder, record, [p for p in record.points if p.folder in asked], reporter, retry_failed=False
        )
    finally:
        held.release()


def resume_sweep(
    folder: Path,
    reporter: Callable[[], Reporter],
    *,
    retry_failed: bool,
    overrides: Sequence[str] = (),
    trusted: bool = False,
) -> int:
    """Continue all points of a sweep that are left; returns the worst exit code. Raises as `sweep`.

    `overrides` (KEY=VALUE) are settings that can't change a dialogue, for all of these points. Points that were not begun
    need them again if the sweep is resumed once more.
    `trusted`: code that comes with models, and code that the sweep's own settings name, may run.
    """
    folder = folder.resolve()
    read_sweep(folder)
    held = lock(folder)
    try:
        record = refresh(folder)
        fresh = [point for point in record.points if not (folder / point.folder / "run.json").is_file()]
        _refuse_code(folder, record, overrides, trusted)
        points = check_points([point.overrides for point in fresh], record.config_dir)
        for point in points:
            refuse_code(point.config, folder, trusted)
            refuse_server(point.config, folder, overrides)
        _refuse_changed(fresh, with_content(points))
        if overrides:
            by_folder = {old.folder: point for old, point in zip(fresh, points, strict=True)}
            _check_overrides(folder, record, by_folder, overrides, retry_failed, trusted)
        return _lead(
            folder, record, record.points, reporter, retry_failed=retry_failed, trusted=trusted, overrides=overrides
        )
    finally:
        held.release()


def _check_overrides(
    folder: Path,
    record: SweepRecord,
    fresh: Mapping[str, Point],
    overrides: Sequence[str],
    retry_failed: bool,
    trusted: bool,
) -> None:
    """Raise a `HarnessError` if a point that is left can't continue with `overrides`."""
    for point in record.points:
        if not _is_left(folder, point, retry_failed, overrides):
            continue
        try:
            if point.folder not in fresh:
                recorded_config(folder / point.folder, overrides, trusted=trusted)
                continue
            settings = fresh[point.folder].config.model_dump(mode="json")
            config = changed(settings, overrides)
            refuse_code(config, folder, trusted)
            lines = differences(settings, config.model_dump(mode="json"))
        except HarnessError as error:
            raise type(error)(*(f"point {point.label}: {line}" for line in error.lines)) from error
        if lines:
            head = f"point {point.label}: these settings can change results; start another sweep"
            raise StorageError(f"{head}:", *(f"  {line}" for line in lines))


def _record(point: Point) -> PointRecord:
    return PointRecord(
        folder=point.folder,
        config_hash=point.config_hash,
        content_hashes=None if point.content_hashes is None else dict(point.content_hashes),
        settings=(),
        overrides=point.overrides,
    )


def _as_recorded(folder: Path, points: Sequence[Point]) -> list[Point]:
    """The points; one that equals a recorded point without content hashes is replaced by that one."""
    if not is_sweep(folder):
        return list(points)
    known = {point.config_hash for point in read_sweep(folder).points if point.content_hashes is None}
    plain = [config_hash(point.config.model_dump(mode="json")) for point in points]
    return [
        replace(point, config_hash=digest, content_hashes=None) if digest in known else point
        for point, digest in zip(points, plain, strict=True)
    ]


def _refuse_code(folder: Path, record: SweepRecord, given: Sequence[str], trusted: bool) -> None:
    """Raise `StorageError` if a sweep's settings name Python code to run that the user did not name again."""
    overrides = (*record.overrides, *(override for point in record.points for override in point.overrides))
    named = [override for override in overrides if "_target_" in override or _is_plugin(override)]
    if trusted or not named:
        return
    if "_target_" in named[0]:
        raise StorageError(f"{folder}: {named[0]}: names code to run; add {TRUST_FLAG} if you trust it")
    if not any(map(_is_plugin, given)):
        raise StorageError(f"{folder}: {named[0]}: names code to run; give it again if you trust it")


def _is_plugin(override: str) -> bool:
    return override.lstrip("+").startswith("plugins=")


def _folder(points: Sequence[Point]) -> Path:
    """The folder of a sweep, made if it does not exist. Raises `ConfigError`, `StorageError`."""
    runs = {point.config.run for point in points}
    dirs = {run.dir for run in runs}
    if len(dirs) > 1:
        raise ConfigError("run.dir: found several, expected one: it is the sweep's folder, points get theirs inside it")
    path = dirs.pop()
    if path is None:
        names = {run.name for run in runs if run.name}
        return default_path("-".join(["sweep", *sorted(names)[:1]]), datetime.now(UTC).astimezone()).resolve()
    path = path.resolve()
    if path.is_dir() and not is_sweep(path) and any(not entry.name.startswith(".") for entry in path.iterdir()):
        found = "a run" if (path / "run.json").exists() else "other files"
        raise StorageError(f"{path}: holds {found} and no sweep; choose a new or empty run.dir")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: can't make the folder: {error.strerror}; choose another run.dir") from error
    return path


def _refuse_changed(recorded: Sequence[PointRecord], found: Sequence[Point]) -> None:
    lines = [
        f"point {old.label}: its settings are not those that the sweep was started with; undo the change in the config "
        "files, or start another sweep"
        for old, new in zip(recorded, found, strict=True)
        if old.content_hashes is not None and old.config_hash != new.config_hash
    ]
    if lines:
        raise ConfigError(*lines)


def _lead(
    folder: Path,
    record: SweepRecord,
    points: Sequence[PointRecord],
    reporter: Callable[[], Reporter],
    *,
    retry_failed: bool,
    trusted: bool = True,
    overrides: Sequence[str] = (),
) -> int:
    """Launch the points that are left, and sum up; returns the worst exit code."""
    left = [point for point in points if _is_left(folder, point, retry_failed, overrides)]
    failed_before = mark(folder, {point.folder for point in left}, PointState.WAITING).count(PointState.FAILED)
    interrupted = False
    if left:
        player = Player(folder, reporter, failed_before, retry_failed, trusted, tuple(overrides))
        try:
            with _terminated_as_interrupted():
                launch(player, record, left)
        except KeyboardInterrupt:
            interrupted = True
    record = refresh(folder)
    return _summed_up(
        folder, record, points, reporter().say, interrupted=interrupted, stopped=record.is_stopped(failed_before)
    )


def _is_left(folder: Path, point: PointRecord, retry_failed: bool, overrides: Sequence[str]) -> bool:
    """Whether a point has something left to play or to judge; failed sessions count only with `retry_failed`."""
    run = folder / point.folder
    if point.state is PointState.RUNNING:
        return False
    if point.state is PointState.FINISHED:
        return not is_judged(run, overrides)
    over = (run / "run.json").is_file() and read_record(run).status is RunStatus.FINISHED and is_judged(run, overrides)
    return retry_failed or not over


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Make SIGTERM end a wait for other processes, as SIGINT does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = handled_here([signal.SIGTERM])
    with handlers_kept(numbers):
        for number in numbers:
            signal.signal(number, interrupt)
        yield


def _summed_up(
    folder: Path,
    record: SweepRecord,
    points: Sequence[PointRecord],
    say: Callable[[str], None],
    *,
    interrupted: bool,
    stopped: bool,
) -> int:
    """Print the state of the sweep; returns its exit code."""
    states = ", ".join(f"{record.count(state)} {state}" for state in PointState if record.count(state))
    say(f"points: {states}")
    say(f"sweep folder: {folder}")
    say(f"report: {write_sweep_report(folder)}")
    asked = {point.folder for point in points}
    now = [point for point in record.points if point.folder in asked]
    unfinished = any(p.state not in (PointState.FINISHED, PointState.FAILED) for p in now)
    if running := record.count(PointState.RUNNING):
        say(f"{running} still played by other processes, which continue by themselves")
    if interrupted or unfinished:
        say(f"go on with: {resume_command(folder)}")
    if interrupted or (unfinished and not stopped):
        return 130
    codes = [point.exit_code for point in now if point.state is PointState.FAILED]
    if any(point.state is PointState.FINISHED and not is_judged(folder / point.folder) for point in now):
        codes.append(1)  # its judge failed
    return max(codes, default=0)
