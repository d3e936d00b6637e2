"""Reads a sweep on disk."""

from dataclasses import dataclass
from pathlib import Path

from harness.store.reader import Record, Records, Run
from harness.sweeps.record import SweepRecord, read_sweep


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder: the settings of its points, and a run for each point that was begun."""

    path: Path

    @property
    def record(self) -> SweepRecord:
        """sweep.json."""
        return read_sweep(self.path)

    def points(self) -> Records:
        """One record per point: `folder`, `state`, `exit_code` and the settings in which points differ."""
        return Records(lambda: iter([self._point(point.folder) for point in self.record.points]))

    def runs(self) -> list[Run]:
        """The runs of the points that were begun, in the sweep's order."""
        folders = [self.path / point.folder for point in self.record.points]
        return [Run(folder) for folder in folders if (folder / "run.json").exists()]

    def _point(self, folder: str) -> Record:
        point = self.record.point(folder)
        settings = dict(setting.split("=", 1) for setting in point.settings if "=" in setting)
        return {"folder": folder, "state": str(point.state), "exit_code": point.exit_code, **settings}


def open_sweep(path: Path | str) -> Sweep:
    """The sweep in a folder. Raises `StorageError` if there is none."""
    sweep = Sweep(Path(path).resolve())
    _ = sweep.record
    return sweep
