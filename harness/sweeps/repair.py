"""Writes a damaged sweep.json again from the run folders of its points."""

import os
from pathlib import Path

import orjson

from harness.errors import StorageError
from harness.store.files import storage_error
from harness.store.identity import binding
from harness.store.lock import lock
from harness.store.records import RunRecord, read_record
from harness.sweeps.record import NAME, PointRecord, read_recorded, state_of, write_points


def looks_like_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep, or the remains of one."""
    if os.path.lexists(folder / "run.json"):
        return False
    return os.path.lexists(folder / NAME) or any(folder.glob("*/run.json"))


def repair_sweep(folder: Path) -> list[str]:
    """Repair the sweep.json of a folder; returns a line for each action, and none if it is intact.

    Points that were not begun are lost with it; running the sweep's command again adds them. Raises `StorageError` if no
    point was begun, or if the folder can't be written or is in use.
    """
    held = lock(folder)
    try:
        lines = _damage(folder)
        if not lines:
            return []
        runs, broken = _runs(folder)
        if not runs:
            raise StorageError(f"{folder}: no point of the sweep was begun; start it again with its command")
        aside = _put_aside(folder / NAME)
        write_points(folder, _points(runs), overrides=(), config_dir=None, on_failure="continue")
    except OSError as error:
        raise storage_error(folder, "repair the files", error, f"the old file is kept as {NAME}.damaged") from error
    finally:
        held.release()
    lines += broken
    lines.append(f"{NAME}: written again from {len(runs)} run folders; points that were not begun are no longer in it")
    lines.append("to add these, run the sweep's command again with the same run.dir")
    return [*lines, f"the old file is kept as: {aside}"] if aside else lines


def _damage(folder: Path) -> list[str]:
    try:
        read_recorded(folder)
    except StorageError as error:
        return list(error.lines)
    return []


def _runs(folder: Path) -> tuple[dict[str, RunRecord], list[str]]:
    """The readable runs by folder name, and a line for each that can't be read."""
    found: dict[str, RunRecord] = {}
    broken: list[str] = []
    for path in sorted(folder.glob("*/run.json")):
        try:
            found[path.parent.name] = read_record(path.parent)
        except StorageError as error:
            broken.append(f"left out: {error.lines[0]}")
    return found, broken


def _points(runs: dict[str, RunRecord]) -> list[PointRecord]:
    """Points with the settings in which they differ."""
    settings = {name: binding(run.config) for name, run in runs.items()}
    keys = sorted(set().union(*settings.values()))
    telling = [key for key in keys if len({_shown(own.get(key)) for own in settings.values()}) > 1]
    points = []
    for name, run in runs.items():
        state, exit_code = state_of(run)
        points.append(
            PointRecord(
                folder=name,
                config_hash=run.config_hash,
                content_hashes=run.content_hashes or None,
                settings=tuple(f"{key}={_shown(settings[name].get(key))}" for key in telling),
                overrides=(),
                state=state,
                exit_code=exit_code,
            )
        )
    return points


def _shown(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _put_aside(path: Path) -> str | None:
    """Rename the file at a path; returns its new name, or None if there is no file. Raises OSError."""
    if not os.path.lexists(path):
        return None
    number, aside = 1, path.with_name(f"{path.name}.damaged")
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    path.rename(aside)
    return aside.name
