"""Locks between processes, also on file systems that have none.

The lock is the system's (flock): it ends with its process, however that ends. filelock is used since it also takes the
lock away from forked children (engines), which would otherwise hold it on after a killed parent. Some cluster file
systems have no such lock, or one that lets everybody in: there a file that only one process can make stands for it.
"""

import errno
import fcntl
import os
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

_NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
"""What file systems without locks say."""


def acquire(path: Path, wait_s: float) -> list[BaseFileLock]:
    """The locks that keep others out by a lock file of this path; who takes them releases them, the last one first.

    A `wait_s` below 0 waits without end. Raises `filelock.Timeout` or another OSError.
    """
    held: list[BaseFileLock] = []
    try:
        if not _flocked(path, held, wait_s):
            soft = _soft(path)
            soft.acquire(timeout=wait_s)
            held.append(soft)
    except BaseException:
        release(held)
        raise
    return held


def release(held: list[BaseFileLock]) -> None:
    """Let others in; may be called twice."""
    while held:
        held.pop().release()


def is_locked(path: Path) -> bool:
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
    return is_locked(path)


def _soft(path: Path) -> SoftFileLock:
    """A file that is there while it is held. One left by a killed process of this machine is taken over."""
    return SoftFileLock(path.with_name(f"{path.name}.soft"), thread_local=False)
