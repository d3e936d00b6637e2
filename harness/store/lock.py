"""One process at a time writes to a run folder.

Invariant: checking the lock never takes it, so it does not keep a run from starting.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, Timeout

from harness.errors import StorageError
from harness.locks import acquire, is_locked, release
from harness.reading.files import read_bytes
from harness.store import holder
from harness.store.files import storage_error
from harness.store.holder import Holder
from harness.store.records import RunRecord, RunStatus

NAME = ".lock"
"""The lock file holds the process id of its holder."""
_PATIENCE_S = 1.0
"""Seconds to wait for a lock that is held only briefly, by a process that checks whether it is free."""
_WRITE_S = 60.0
"""Seconds to wait for a file that several processes change; each change takes milliseconds."""


class RunLock:
    """The lock of a run folder, held until it is released."""

    def __init__(self, folder: Path, held: list[BaseFileLock]) -> None:
        self._folder = folder
        self._held = held

    def release(self) -> None:
        """Release the lock; may be called twice."""
        if not self._held:
            return
        with suppress(OSError):
            (self._folder / holder.NAME).unlink(missing_ok=True)
        release(self._held)


def lock(folder: Path) -> RunLock:
    """Take the lock of a run folder, without waiting for a process that writes there.

    Raises `StorageError` that names the process that holds it, or why the folder can't be written.
    """
    held: list[BaseFileLock] = []
    try:
        _take(folder, held)
        (folder / NAME).write_text(f"{os.getpid()}\n")
        Holder.current().write(folder)
    except OSError as error:
        release(held)
        if isinstance(error, Timeout):
            raise StorageError(_refusal(folder, Path(error.lock_file))) from error
        raise storage_error(folder, "write", error, "choose another run.dir") from error
    return RunLock(folder, held)


def is_held(folder: Path) -> bool:
    """Whether a process is writing to a run folder. Does not take the lock."""
    who = Holder.read(folder)
    if who is None:
        return False
    alive = who.is_alive()
    return is_locked(folder / NAME) if alive is None else alive


def standing(folder: Path, record: RunRecord) -> RunStatus:
    """How a run stands now: a run that was killed still has `running` in its run.json, and is interrupted."""
    killed = record.status is RunStatus.RUNNING and not is_held(folder)
    return RunStatus.INTERRUPTED if killed else record.status


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, so that one process at a time runs the block. Raises `StorageError`, also after a minute."""
    try:
        held = acquire(path, _WRITE_S)
    except Timeout as error:
        raise StorageError(
            f"{error.lock_file}: held by another process for a minute; stop it, or remove this file"
        ) from error
    except OSError as error:
        raise storage_error(path, "lock", error, "choose another run.dir") from error
    try:
        yield
    finally:
        release(held)


def _take(folder: Path, held: list[BaseFileLock]) -> None:
    """Take the locks of a folder and append them to `held`. Raises `Timeout` or another OSError."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            held += acquire(folder / NAME, 0)
        except Timeout:
            who = Holder.read(folder)
            if time.monotonic() > end or (who is not None and who.is_alive()):
                raise
            time.sleep(0.02)
        else:
            return


def _refusal(folder: Path, taken: Path) -> str:
    who = Holder.read(folder)
    try:
        pid = str(who.pid) if who else read_bytes(folder / NAME).decode("utf-8", "replace")[:20].strip() or "unknown"
    except OSError:
        pid = "unknown"
    message = f"{folder}: process {pid} is writing to this run; wait until it ends, or stop it"
    if taken.suffix != ".soft":
        return message
    where = f" on {who.host.split()[0]}" if who else ""
    return f"{message}; this file system has no locks, so if no such process runs{where}, remove {taken}"
