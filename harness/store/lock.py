"""One process at a time writes to a run folder.

The lock is the system's (flock): it ends with its process, however that ends. filelock is used since it also takes the
lock away from forked children (engines), which would otherwise hold it on after a killed parent. Some cluster file
systems have no such lock, or one that lets everybody in: there a file that only one process can make stands for it.

Invariant: who only looks never takes the lock for itself, so it keeps nobody from starting.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from harness.errors import StorageError
from harness.store import holder
from harness.store.files import storage_error
from harness.store.holder import Holder

NAME = ".lock"
"""The lock file holds the process id of its holder."""
_NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
"""What file systems without locks say."""
_PATIENCE_S = 1.0
"""How long a lock is tried for that nobody seems to hold for long: somebody looks whether it is free."""
_WRITE_S = 60.0
"""How long a file that several processes change is waited for; each changes it within milliseconds."""


class RunLock:
    """The lock of a run folder, held until it is released."""

    def __init__(self, folder: Path, held: list[BaseFileLock]) -> None:
        self._folder = folder
        self._held = held

    def release(self) -> None:
        """Let others in; may be called twice."""
        if not self._held:
            return
        with suppress(OSError):
            (self._folder / holder.NAME).unlink(missing_ok=True)
        while self._held:
            self._held.pop().release()


def lock(folder: Path) -> RunLock:
    """Take the lock of a run folder, without waiting for whoever writes there.

    Raises `StorageError` that names the process that holds it, or why the folder can't be written.
    """
    held: list[BaseFileLock] = []
    try:
        _take(folder, held)
        (folder / NAME).write_text(f"{os.getpid()}\n")
        Holder.current().write(folder)
    except OSError as error:
        for one in held:
            one.release()
        if isinstance(error, Timeout):
            raise StorageError(_refusal(folder, Path(error.lock_file))) from error
        raise storage_error(folder, "write", error, "choose another run.dir") from error
    return RunLock(folder, held)


def is_held(folder: Path) -> bool:
    """Whether a process writes to a run folder right now; takes nothing."""
    who = Holder.read(folder)
    if who is None:
        return False
    alive = who.is_alive()
    return _is_locked(folder / NAME) if alive is None else alive


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """One process at a time is in here, by a lock file of this path. Raises `StorageError`, also after a minute."""
    held: list[BaseFileLock] = []
    try:
        if not _flocked(path, held, _WRITE_S):
            soft = _soft(path)
            soft.acquire(timeout=_WRITE_S)
            held.append(soft)
    except Timeout as error:
        raise StorageError(
            f"{error.lock_file}: held by another process for a minute; stop it, or remove this file"
        ) from error
    except OSError as error:
        raise storage_error(path, "lock", error, "choose another run.dir") from error
    try:
        yield
    finally:
        for one in reversed(held):
            one.release()


def _take(folder: Path, held: list[BaseFileLock]) -> None:
    """Append the locks that keep others out. Raises `Timeout` or another OSError."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if not _flocked(folder / NAME, held, 0):
                soft = _soft(folder / NAME)
                soft.acquire(timeout=0)
                held.append(soft)
        except Timeout:
            while held:
                held.pop().release()
            who = Holder.read(folder)
            if time.monotonic() > end or (who is not None and who.is_alive()):
                raise
            time.sleep(0.02)
        else:
            return


def _flocked(path: Path, held: list[BaseFileLock], wait_s: float) -> bool:
    """Whether the system's lock was taken and keeps others out; it is appended to `held`. Raises `Timeout`, OSError."""
    native = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        native.acquire(timeout=wait_s)
    except Timeout:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    held.append(native)
    return _is_locked(path)


def _is_locked(path: Path) -> bool:
    """Whether the system keeps a second opening of a lock file out. Only a shared lock is tried, and given back."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True  # held, or there are no locks here and nobody can tell
    finally:
        os.close(fd)
    return False


def _soft(path: Path) -> SoftFileLock:
    """A file that is there while it is held. One left by a killed process of this machine is taken over."""
    return SoftFileLock(path.with_name(f"{path.name}.soft"), thread_local=False)


def _refusal(folder: Path, taken: Path) -> str:
    who = Holder.read(folder)
    try:
        pid = str(who.pid) if who else (folder / NAME).read_text()[:20].strip() or "unknown"
    except OSError:
        pid = "unknown"
    message = f"{folder}: process {pid} is writing to this run; wait until it ends, or stop it"
    if taken.suffix != ".soft":
        return message
    where = f" on {who.host.split()[0]}" if who else ""
    return f"{message}; this file system has no locks, so where no such process runs{where}, remove {taken}"
