"""Files of users and of other programs, read with a bound: no device, no pipe, nothing that fills the memory."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open to be read. Raises OSError, whose `strerror` also tells of devices, pipes and bad names."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a name with a NUL character")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is a device or a pipe; expected a file", str(path))
        yield file


def read_bytes(path: Path, most: int) -> bytes:
    """Content of a regular file of at most `most` bytes. Raises OSError, as `opened` does, also for a longer one."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(most + 1) if size <= most else b""
        if size > most or len(content) > most:  # files of /proc say that they are empty
            raise OSError(errno.EFBIG, f"expected at most {most} bytes, found {max(size, len(content))}", str(path))
        return content
