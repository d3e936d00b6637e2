"""Opens files of users and of other programs; all other modules read them through this one.

Invariant: only regular files are read, up to a bound that the caller gives; no devices, no pipes, nothing that never ends
or fills the memory.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 1 << 26
"""Most bytes of a file that is read whole, and of a line; a hundred times what a run writes."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, opened for reading. Raises OSError, also for devices, pipes and bad names."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a name with a NUL character")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is a device or a pipe; expected a file", str(path))
        yield file


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Content of a regular file of at most `most` bytes. Raises OSError, as `opened` does, also for a longer one."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(most + 1) if size <= most else b""
        if size > most or len(content) > most:  # files of /proc report a size of 0
            raise OSError(errno.EFBIG, f"expected at most {most} bytes, found {max(size, len(content))}", str(path))
        return content


def sha256_of(path: Path) -> str:
    """SHA-256 of a regular file of any size. Raises OSError, as `opened` does."""
    digest = hashlib.sha256()
    with opened(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """As `read_bytes`, as UTF-8 text. Raises OSError, also for invalid UTF-8."""
    try:
        return read_bytes(path, most).decode()
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, f"expected UTF-8 text, byte {error.start} is none", str(path)) from error
