"""Reads the runs to compare: finds their folders, and reads their sessions as numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.comparison.catalogue import section_of_count
from harness.config.plugins import load_plugins
from harness.errors import ComparisonError, StorageError
from harness.guard.findings import FINDINGS
from harness.judges.patients import PatientVerdicts
from harness.judges.results import ENSEMBLE, Results, read_results
from harness.metrics.aggregate import numbers
from harness.metrics.session import METRICS_VERSION, measured_again
from harness.reading.files import read_bytes
from harness.store.files import storage_error
from harness.store.records import RunRecord, RunStatus, SessionRecord, read_record, read_sessions
from harness.types import Speaker

Pair = tuple[str, int, str]
"""What sessions are paired by: persona id, session seed, and the origin of a branch: `SESSION@TURN.NUMBER`, else ""."""


INVALID = "invalid"
"""The verdict on a patient whose session is counted in one comparison, and left out of a second one."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One session as numbers."""

    numbers: Mapping[str, float]
    sections: frozenset[str]
    """Parts of its metrics that were computed, such as `course` and `retention`."""
    patient: str | None = None
    """The verdict on its simulated patient: `valid`, `flawed` or `invalid`; None if there is none."""
    session_id: str = ""
    """Empty for a mean of several sessions."""

    def value(self, name: str) -> float:
        """The number with this name; NaN if it was not measured."""
        value = self.numbers.get(name)
        if value is not None:
            return value
        return 0.0 if section_of_count(name) in self.sections else float("nan")


@dataclass(frozen=True, slots=True)
class RunData:
    """One run folder."""

    path: Path
    record: RunRecord
    sessions: Mapping[Pair, Measured]
    versions: frozenset[int | None]
    """`metrics_version` of its sessions."""
    judged: Results = field(default_factory=Results)
    """The judge's scores, and the gates of `sessions`."""

    def without_invalid(self) -> "RunData":
        """The run without the sessions whose patient has the verdict `invalid`."""
        valid = {pair: session for pair, session in self.sessions.items() if session.patient != INVALID}
        kept = {session.session_id for session in valid.values()}
        return replace(self, sessions=valid, judged=self.judged.with_gates_of(kept))


class _Point(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    folder: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


class _Sweep(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    points: tuple[_Point, ...]


def invalid_sessions(runs: Sequence[RunData]) -> int:
    """The number of sessions with an invalid patient."""
    return sum(session.patient == INVALID for run in runs for session in run.sessions.values())


def read_runs(paths: Sequence[Path], *, allow_unfinished: bool = False, judge: str | None = None) -> list[RunData]:
    """The runs in these run folders and sweep folders, in order.

    `judge` is the name of the judge whose scores are read; it may be None if each run has at most one.

    Raises `StorageError` if a folder holds neither a run nor a sweep, or a file is damaged; `ComparisonError` if a run
    is not finished and `allow_unfinished` is false, if no run has started, or if the judge has no scores.
    """
    load_plugins()  # registers the labels of their metrics
    folders = list(dict.fromkeys(folder.resolve() for path in paths for folder in run_folders(path)))
    started = [folder for folder in folders if (folder / "run.json").exists()]
    records = {folder: read_record(folder) for folder in started}
    unfinished = [line for folder in folders if (line := _unfinished(folder, records.get(folder)))]
    if not records:
        raise ComparisonError(*(unfinished or ["no runs; give the folders of runs or sweeps"]))
    if unfinished and not allow_unfinished:
        raise ComparisonError(*unfinished, "--allow-unfinished compares the finished sessions")
    return [_read(folder, record, read_results(folder, judge)) for folder, record in records.items()]


def run_folders(path: Path) -> list[Path]:
    """The folder itself if it holds a run. Else those of a sweep: as listed in sweep.json, or its run folders by name.

    Raises `StorageError` if it holds neither, or if sweep.json is damaged.
    """
    if (path / "run.json").exists():
        return [path]
    sweep = path / "sweep.json"
    if sweep.exists():
        return [path / point.folder for point in _read_sweep(sweep).points]
    found = sorted(file.parent for file in path.glob("*/run.json"))
    if not found:
        raise StorageError(f"{path}: holds no run and no sweep (no run.json, no sweep.json); give the folder of one")
    return found


def _read_sweep(path: Path) -> _Sweep:
    try:
        return _Sweep.model_validate_json(read_bytes(path))
    except OSError as error:
        raise storage_error(path, "read", error, "give the folders of its runs") from error
    except ValidationError as error:
        mistake = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, mistake["loc"])) or "file"
        remedy = f"`python -m harness repair {path.parent}` writes it again from its runs"
        raise StorageError(f"{path}: {where}: {mistake['msg']}; {remedy}") from error


def _unfinished(folder: Path, record: RunRecord | None) -> str | None:
    """Why the run is not finished, and the remedy; None if it is finished."""
    if record is None:
        return f"{folder}: not started; finish the sweep with `python -m harness resume {folder.parent}`"
    if record.status is RunStatus.FINISHED:
        return None
    totals = record.totals
    done = f"{totals.finished} of {totals.sessions} sessions finished"
    return f"{folder}: {record.status}, {done}; finish it with `python -m harness resume {folder}`"


def _read(folder: Path, record: RunRecord, judged: Results) -> RunData:
    path = folder / "sessions.jsonl"
    detected = _detected(record.config)
    sessions: dict[Pair, Measured] = {}
    versions: set[int | None] = set()
    patients = PatientVerdicts(folder, None if judged.judge == ENSEMBLE else judged.judge)
    for session in read_sessions(path) if path.exists() else ():
        pair = pair_of(session)
        if pair in sessions:
            raise StorageError(f"{path}: two sessions of {session.persona_id} with seed {session.seed}; expected one")
        metrics = _current_metrics(session)
        sessions[pair] = Measured(
            {**dict(_with_zeros(metrics, detected)), **judged.numbers.get(session.session_id, {})},
            frozenset(name for name, part in metrics.items() if isinstance(part, Mapping)),
            patients.metrics(session).get("patient_verdict"),
            session.session_id,
        )
        version = metrics.get("metrics_version")
        versions.add(version if isinstance(version, int) else None)
    ids = {session.session_id for session in sessions.values()}
    return RunData(folder, record, sessions, frozenset(versions), judged.with_gates_of(ids))


def _branch(session: SessionRecord) -> str:
    """The session, turn and number of a branch; empty if the session is not a branch."""
    branch = session.branch
    return f"{branch.session_id}@{branch.turn}.{branch.variant}" if branch else ""


def pair_of(session: SessionRecord) -> Pair:
    """What the session is paired by."""
    return session.persona_id, session.seed, _branch(session)


def parent_of(pair: Pair) -> tuple[str, str]:
    """The persona and the session that a branch continues. Branches with the same parent are not independent."""
    return pair[0], pair[2].rpartition("@")[0]


def _detected(config: Mapping[str, object]) -> frozenset[str]:
    """The kinds of findings that the guard of a run was set to detect."""
    guard = config.get("guard")
    if not isinstance(guard, Mapping) or not guard.get("enabled", True):
        return frozenset()
    return frozenset(kind for kind in FINDINGS if guard.get(kind) != "off")


def _current_metrics(session: SessionRecord) -> Mapping[str, Any]:
    """The metrics of a session. Those of an older version are measured again, so that old and new runs compare."""
    version = session.metrics.get("metrics_version")
    if not isinstance(version, int) or version >= METRICS_VERSION:
        return session.metrics
    return measured_again(session.turns, session.events, session.stop_reason, session.metrics)


def _with_zeros(metrics: Mapping[str, Any], detected: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Names and numbers of a session. A kind in `detected` is 0 first; its count, if there is one, comes later."""
    for kind in detected if "guard" in metrics else ():
        for leaf in ("turns", *map(str, Speaker)):
            yield f"guard.{kind}.{leaf}", 0.0
    yield from numbers(metrics)
