"""Default folders of runs, and the link to the newest one."""

import errno
import os
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.store.files import storage_error

OUTPUTS = "outputs"
"""Folder of runs without `run.dir`; in a folder of this name, `latest` points to the newest run."""


def default_path(name: str, now: datetime, outputs: Path = Path(OUTPUTS)) -> Path:
    """Make and return a new folder `outputs/NAME-YYYYMMDD-HHMMSS`, with `-2`, `-3`, ... if that exists.

    Raises `StorageError`.
    """
    stem = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-.') or 'run'}-{now:%Y%m%d-%H%M%S}"
    number = 1
    while True:
        path = outputs / (stem if number == 1 else f"{stem}-{number}")
        try:
            outputs.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError as error:
            if not outputs.is_dir():
                raise storage_error(outputs, "make the folder", error, "set run.dir") from error
            number += 1
        except OSError as error:
            raise storage_error(path, "make the folder", error, "set run.dir to one that can be written") from error
        else:
            return path


def point_latest(path: Path) -> None:
    """Make `outputs/latest` point to a run in `outputs`. Errors are ignored, since it is only a convenience."""
    folder = path.absolute().parent
    link = folder / "latest"
    if folder.name != OUTPUTS:
        return
    fresh = folder / f".latest-{path.name}"
    with suppress(OSError):  # file systems without links
        if link.is_symlink() or not link.exists():
            fresh.symlink_to(path.name, target_is_directory=True)
            fresh.replace(link)


def check_writable(path: Path) -> None:
    """Raise `StorageError` if the folder of a run can't be made. Leaves nothing behind, and makes nothing that another
    process could take for its own: the folders are tried in one with a name that nobody else has."""
    try:
        there = next(folder for folder in (path, *path.parents) if folder.exists() or folder.is_symlink())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if there != path:
            with TemporaryDirectory(prefix=".harness-", dir=there) as tried:
                (Path(tried) / path.relative_to(there)).mkdir(parents=True)
    except OSError as error:
        raise storage_error(path, "write", error, "choose another run.dir") from error
