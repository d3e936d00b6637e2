"""Locks between processes, also on file systems without locks.

The lock is the system's (flock), which ends with its process. We use filelock because it also releases the lock in
forked children (engines), which would otherwise keep it after their parent was killed. Some cluster file systems have no
such lock, or one that does not exclude anyone: there, a file that only one process can create replaces it.
"""

import errno
import fcntl
import os
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

_NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
"""Errors of file systems without locks."""


def acquire(path: Path, wait_s: float) -> list[BaseFileLock]:
    """Acquire the lock file `path`; returns the locks that together exclude other processes, for `release`.

    A `wait_s` below 0 waits forever. Raises `filelock.Timeout` or another OSError.
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
    """Release the locks; may be called twice."""
    while held:
        held.pop().release()


def is_locked(path: Path) -> bool:
    """Whether the system's lock on a file is held. Tries only a shared lock, and releases it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True  # held, or this file system has no locks, so that it can't be known
    finally:
        os.close(fd)
    return False


def _flocked(path: Path, held: list[BaseFileLock], wait_s: float) -> bool:
    """Take the system's lock and append it to `held`; returns whether it excludes others. Raises `Timeout`, OSError."""
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
    """A lock that is a file which exists while it is held. One left by a killed process of this machine is taken over."""
    return SoftFileLock(path.with_name(f"{path.name}.soft"), thread_local=False)
