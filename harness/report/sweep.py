"""Writes report.html of a sweep: points, failures, comparison, and two settings side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.comparison.catalogue import HEADLINES
from harness.comparison.comparison import compare
from harness.comparison.runs import RunData, read_runs
from harness.comparison.settings import settings_of
from harness.errors import ComparisonError, StorageError
from harness.fidelity.report import is_simulated
from harness.reading.files import read_bytes
from harness.report import page
from harness.report.compared import Compared, compared
from harness.report.fidelity import Fidelity, sweep_section
from harness.report.side_by_side import SideBySide, side_by_side
from harness.report.words import counted
from harness.store.lock import standing
from harness.store.records import RunRecord, RunStatus, read_failures

OF_TOKENS = tuple(name for name in HEADLINES if name.startswith("usage.") or name == "exchanges")
"""Metrics that are meaningful in a dry run."""
MOST_ERRORS = 100
MOST_BYTES = 64_000_000
"""Largest sweep.json that is read."""


class _Point(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    folder: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    settings: tuple[str, ...] = ()
    state: str = ""
    error: str | None = None


class _Sweep(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    points: tuple[_Point, ...]


@dataclass(frozen=True, slots=True)
class PointRow:
    """One point of the grid."""

    name: str
    settings: str
    state: str
    sessions: str
    failed: int
    error: str
    report: str | None
    """Path of its own report; None if there is none yet."""


@dataclass(frozen=True, slots=True)
class SweepPage:
    """The content of the page."""

    name: str
    points: tuple[PointRow, ...]
    errors: tuple[tuple[str, str, str], ...]
    """(point, session, error) of sessions that failed."""
    compared: Compared | None
    why_not: str
    """Why there is no comparison; empty if there is one."""
    sides: SideBySide | None
    fidelity: Fidelity | None
    """Over all points together; None for a dry run."""
    dry: bool
    simulated: bool
    """Whether all patients are simulated."""

    @property
    def outcome(self) -> str:
        """The outcome of the sweep in one sentence."""
        finished = sum(point.state == "finished" for point in self.points)
        failed = sum(point.state == "failed" for point in self.points)
        left = len(self.points) - finished - failed
        parts = [f"{finished} of {len(self.points)} points finished"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{left} left"] if left else []
        significant = sum(dot.told for row in self.compared.rows for dot in row.dots) if self.compared else 0
        if self.compared and not self.dry:
            parts.append(counted(significant, "significant difference"))
        return f"{'; '.join(parts)}."


def write_sweep_report(folder: Path) -> Path:
    """Write report.html of a sweep and return its path. Raises `StorageError`."""
    sweep = load_sweep(folder)
    html = page.render("sweep.html.jinja", sweep=sweep, fidelity=sweep.fidelity, changed=(), simulated=sweep.simulated)
    return page.put(folder / "report.html", html)


def load_sweep(folder: Path) -> SweepPage:
    """Read a sweep folder with its runs. Raises `StorageError` if it contains no sweep or a file is damaged."""
    points = _read(folder / "sweep.json").points
    begun = any((folder / point.folder / "run.json").exists() for point in points)
    runs = read_runs([folder], allow_unfinished=True) if begun else []
    played = [run for run in runs if run.sessions]
    dry = any(engine.kind == "dry" for run in runs for engine in run.record.engines.values())
    settings = settings_of(runs) if runs else []
    names = {run.path: setting.name for setting in settings for run in setting.runs}
    result, why_not = _compared(played, dry)
    known = {run.path: run.record for run in runs}
    return SweepPage(
        name=folder.name,
        points=tuple(_row(folder, point, names, known) for point in points),
        errors=tuple(_errors(runs, names)),
        compared=result,
        why_not=why_not,
        fidelity=None if dry else sweep_section([run.path for run in played if is_simulated(run.record)]),
        sides=side_by_side([setting for setting in settings if setting.sessions], dry=dry),
        dry=dry,
        simulated=all(is_simulated(run.record) for run in runs),
    )


def _read(path: Path) -> _Sweep:
    try:
        return _Sweep.model_validate_json(read_bytes(path, MOST_BYTES))
    except OSError as error:
        raise StorageError(f"{path}: can't be read: {error.strerror or error}; give the folder of a sweep") from error
    except ValidationError as error:
        remedy = f"`python -m harness repair {path.parent}` writes it again from its runs"
        raise StorageError(f"{path}: is not a list of points; {remedy}") from error


def _compared(runs: Sequence[RunData], dry: bool) -> tuple[Compared | None, str]:
    """The comparison, or why there is none."""
    if len(runs) < 2:
        return None, "fewer than two points have finished sessions"
    try:
        return compared(compare(runs, names=OF_TOKENS if dry else HEADLINES)), ""
    except ComparisonError as error:
        return None, str(error)


def _row(folder: Path, point: _Point, names: Mapping[Path, str], records: Mapping[Path, RunRecord]) -> PointRow:
    path = (folder / point.folder).resolve()
    record = records.get(path)
    shown = " ".join(point.settings) or point.folder
    state = _state(path, point, record)
    return PointRow(
        name=names.get(path) or shown,
        settings=shown,
        state=state,
        sessions=f"{record.totals.finished:,} of {record.totals.sessions:,}" if record else "–",
        failed=record.totals.failed if record else 0,
        error=(point.error or "") if state == "failed" else "",
        report=f"{point.folder}/report.html" if (path / "report.html").exists() else None,
    )


def _state(path: Path, point: _Point, record: RunRecord | None) -> str:
    """How a point stands now: as its run.json says, because its run may have been killed, or continued by itself."""
    if record is None:
        return "waiting" if point.state in ("", "running") else point.state
    status = standing(path, record)
    return "failed" if status is RunStatus.FINISHED and record.totals.failed else str(status)


def _errors(runs: Sequence[RunData], names: Mapping[Path, str]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for run in runs:
        path = run.path / "failures.jsonl"
        for failure in read_failures(path) if path.exists() else ():
            if len(found) < MOST_ERRORS:
                found.append((names[run.path], failure.session_id, f"{failure.error}: {failure.message}"))
    return found
