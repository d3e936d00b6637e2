"""The folder of one run, as several commands are given it."""

from pathlib import Path

from harness.errors import StorageError


def one_run(path: Path) -> Path:
    """`path`, which is not the folder of a sweep. Raises `StorageError` that names the sweep's runs."""
    from harness.sweeps.record import is_sweep, read_sweep

    if (path / "run.json").exists() or not is_sweep(path):
        return path
    points = read_sweep(path).points
    some = ", ".join(f"{path / point.folder} ({point.label})" for point in points[:3])
    more = f", ... ({len(points)} in all)" if len(points) > 3 else ""
    raise StorageError(f"{path}: holds a sweep; give the folder of one of its runs: {some}{more}")
