"""Checks the argument of commands that need the folder of a single run."""

from pathlib import Path

from harness.errors import StorageError


def one_run(path: Path) -> Path:
    """The path itself. Raises `StorageError`, which names some of the runs, if it is the folder of a sweep."""
    from harness.sweeps.record import is_sweep, read_sweep

    if (path / "run.json").exists() or not is_sweep(path):
        return path
    points = read_sweep(path).points
    some = ", ".join(f"{path / point.folder} ({point.label})" for point in points[:3])
    more = f", ... ({len(points)} in all)" if len(points) > 3 else ""
    raise StorageError(f"{path}: is a sweep; give the folder of one of its runs: {some}{more}")
