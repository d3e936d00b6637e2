"""sweep.json: the points of a sweep and their states.

Invariants:
- A point is never removed, and its folder never changes.
- If a point has a run folder, that folder's run.json is authoritative, and sweep.json copies it.
- Any number of processes may mark points at once; every write replaces the whole file under a lock.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import StorageError
from harness.reading.files import read_bytes
from harness.store.encoding import whole_json
from harness.store.files import storage_error, write_whole
from harness.store.lock import only_one, standing
from harness.store.records import RunRecord, RunStatus, read_record

NAME = "sweep.json"
_LOCK = ".sweep.json.lock"


class PointState(StrEnum):
    """The state of a point."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    """It can't be played (`error` says why), or some of its sessions failed."""
    INTERRUPTED = "interrupted"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PointRecord(_Record):
    """One point of a sweep."""

    folder: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """Name of its run folder in the sweep's folder: the first characters of the hash."""
    config_hash: str
    content_hashes: dict[str, str] | None = None
    """The content hashes that `config_hash` covers; None if it covers only the settings: made by version 0.1, or a file
    that they name could not be found."""
    settings: tuple[str, ...]
    """The overrides that distinguish it from other points, as KEY=VALUE."""
    overrides: tuple[str, ...]
    """All its overrides, in Hydra's syntax."""
    state: PointState = PointState.WAITING
    exit_code: int = Field(0, ge=0, le=255)
    """The exit code of its run; 0 until it has ended."""
    error: str | None = None
    """Why it can't be played; None if it can."""

    @field_validator("exit_code", mode="before")
    @classmethod
    def _known_code(cls, value: object) -> object:
        return value if type(value) is int and 0 <= value < 256 else 1

    @field_validator("state", mode="before")
    @classmethod
    def _known_state(cls, value: object) -> object:
        """Replace an unknown state, so that the file stays readable: the run folders have the real states."""
        return value if value in list(PointState) else PointState.WAITING

    @property
    def label(self) -> str:
        """Short text for people."""
        return " ".join(self.settings) or self.folder


class SweepRecord(_Record):
    """The content of sweep.json."""

    started_at: datetime
    """UTC."""
    overrides: tuple[str, ...]
    """The user's overrides when the sweep was last started."""
    config_dir: Path | None = None
    """Folder of the user's own config files."""
    on_failure: str | int = "continue"
    points: tuple[PointRecord, ...]

    def point(self, folder: str) -> PointRecord:
        """The point with this run folder. Raises `StorageError` if there is none."""
        found = next((point for point in self.points if point.folder == folder), None)
        if found is None:
            raise StorageError(f"{NAME}: no point {folder}; the file is damaged")
        return found

    def count(self, state: PointState) -> int:
        """Number of points in a state."""
        return sum(point.state is state for point in self.points)

    def is_stopped(self, failed_before: int) -> bool:
        """Whether `on_failure` stops a sweep that began with `failed_before` failed points."""
        if self.on_failure == "continue":
            return False
        limit = 1 if self.on_failure == "fail_fast" else int(self.on_failure)
        return self.count(PointState.FAILED) - failed_before >= limit


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep."""
    return (folder / NAME).is_file()


def read_sweep(folder: Path) -> SweepRecord:
    """sweep.json, with the states of the points from their run folders.

    Raises `StorageError` if it is missing or damaged.
    """
    record = read_recorded(folder)
    return record.model_copy(update={"points": tuple(_refreshed(folder, point) for point in record.points)})


def write_points(
    folder: Path,
    points: Sequence[PointRecord],
    *,
    overrides: Sequence[str],
    config_dir: Path | None,
    on_failure: str | int,
) -> SweepRecord:
    """Write the sweep.json of a folder, or add the points that it lacks. Raises `StorageError`."""
    with _locked(folder):
        old = read_sweep(folder) if is_sweep(folder) else None
        known = {point.folder for point in old.points} if old else set()
        all_points = (*(old.points if old else ()), *(point for point in points if point.folder not in known))
        record = SweepRecord(
            started_at=old.started_at if old else datetime.now(UTC),
            overrides=tuple(overrides),
            config_dir=config_dir,
            on_failure=on_failure,
            points=_distinguished(all_points),
        )
        _write(folder, record)
        return record


def refresh(folder: Path) -> SweepRecord:
    """Update the states in sweep.json from the run folders. Raises `StorageError`."""
    with _locked(folder):
        record = read_sweep(folder)
        _write(folder, record)
        return record


def mark(
    folder: Path, points: Collection[str], state: PointState, *, exit_code: int = 0, error: str | None = None
) -> SweepRecord:
    """Set the states of points, by the names of their folders. Raises `StorageError`."""
    with _locked(folder):
        record = read_recorded(folder)
        change = {"state": state, "exit_code": exit_code, "error": error}
        marked = tuple(p.model_copy(update=change) if p.folder in points else p for p in record.points)
        record = record.model_copy(update={"points": marked})
        _write(folder, record)
        return record


def state_of(record: RunRecord) -> tuple[PointState, int]:
    """State and exit code of the point of a run that no process plays."""
    match record.status:
        case RunStatus.FINISHED if not record.totals.failed:
            return PointState.FINISHED, 0
        case RunStatus.FINISHED | RunStatus.FAILED:
            return PointState.FAILED, 1
        case _:
            return PointState.INTERRUPTED, 130


def _refreshed(folder: Path, point: PointRecord) -> PointRecord:
    run = folder / point.folder
    if not (run / "run.json").is_file():
        lost = point.state is PointState.RUNNING
        return point.model_copy(update={"state": PointState.WAITING}) if lost else point
    record = read_record(run)
    if standing(run, record) is RunStatus.RUNNING:
        return point.model_copy(update={"state": PointState.RUNNING, "exit_code": 0, "error": None})
    state, exit_code = state_of(record)
    if state is PointState.FAILED and point.state is PointState.FAILED:
        return point  # it has the reason
    return point.model_copy(update={"state": state, "exit_code": exit_code, "error": None})


def _distinguished(points: Sequence[PointRecord]) -> tuple[PointRecord, ...]:
    """The points with the settings that distinguish them: overrides that not all of them have."""
    known = [set(point.overrides) for point in points if point.overrides]  # a repaired sweep.json has none
    common = set.intersection(*known) if known else set()
    return tuple(
        point.model_copy(update={"settings": tuple(o for o in point.overrides if o not in common)})
        if point.overrides
        else point
        for point in points
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder / _LOCK):
            yield
    except OSError as error:
        raise storage_error(folder, "write", error, "choose another run.dir") from error


def read_recorded(folder: Path) -> SweepRecord:
    """sweep.json without the states from the run folders. Raises as `read_sweep`."""
    path = folder / NAME
    try:
        return SweepRecord.model_validate_json(read_bytes(path))
    except FileNotFoundError as error:
        raise StorageError(f"{folder}: holds no sweep (no {NAME}); give the folder of a sweep") from error
    except OSError as error:
        raise storage_error(path, "read", error, "give the folder of a sweep") from error
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in mistake["loc"])
        remedy = f"`python -m harness repair {folder}` writes it again from the runs"
        raise StorageError(f"{path}: {where or 'file'}: {mistake['msg']}; it is damaged: {remedy}") from error


def _write(folder: Path, record: SweepRecord) -> None:
    write_whole(folder / NAME, whole_json(record))
