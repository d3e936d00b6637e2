"""One process at a time writes to a run folder.

The lock is the system's (flock): it ends with its process, however that ends. filelock is used since it also takes the
lock away from forked children (engines), which would otherwise hold it on after a killed parent.
"""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import StorageError
from harness.store.files import storage_error

NAME = ".lock"
"""The lock file holds the process id of its holder."""


def lock(folder: Path) -> FileLock:
    """Take the lock of a run folder, without waiting.

    Raises `StorageError` that names the process that holds it, or why the folder can't be written.
    """
    path = folder / NAME
    held = FileLock(path, blocking=False, thread_local=False)
    try:
        held.acquire()
        path.write_text(f"{os.getpid()}\n")
    except Timeout as error:
        holder = path.read_text().strip() or "unknown"
        message = f"{folder}: process {holder} is writing to this run; wait until it ends, or stop it"
        raise StorageError(message) from error
    except OSError as error:
        held.release()
        raise storage_error(folder, "write", error, "choose another run.dir") from error
    return held
