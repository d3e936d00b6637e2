"""Writes files so that they survive a kill, a full disk and a power cut.

Invariants:
- A file of lines has complete lines only: a line counts once it has its newline, and a torn last line is removed before
  anything is appended.
- Any other file is replaced atomically: a reader sees the old content or the new, never a part.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from harness.errors import StorageError
from harness.reading.files import MOST_BYTES, opened

LONGEST_LINE = 1 << 28
"""Most bytes of a line that are skipped to find the next one."""
_BLOCK = 65536
"""Bytes read at once when searching backwards for the last newline."""


def storage_error(path: Path, action: str, error: OSError, remedy: str) -> StorageError:
    """An error whose line names the file, the action, the system's reason and the remedy."""
    return StorageError(f"{path}: can't {action}: {error.strerror or error}; {remedy}")


def lines_of(file: BinaryIO, most: int = MOST_BYTES) -> Iterator[tuple[int, int, bytes]]:
    """Number (from 1), offset and content of each line; only the beginning of a line longer than `most` bytes.

    A line without a newline is the last one (torn, or still being written) or longer than `most`. Raises OSError, also for
    a line longer than `LONGEST_LINE`.
    """
    number = offset = 0
    while line := file.readline(most):
        number += 1
        yield number, offset, line
        begin = offset
        offset += len(line)
        while not line.endswith(b"\n") and len(line) == most:
            if offset - begin > LONGEST_LINE:
                raise OSError(errno.EFBIG, f"line {number} is longer than {LONGEST_LINE} bytes")
            line = file.readline(most)
            offset += len(line)


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, without a torn last line; none if there is no file.

    Raises `StorageError`, which names the line, or says why the file can't be read.
    """
    if not path.exists() and not path.is_symlink():
        return
    try:
        with opened(path) as file:
            for number, _, line in lines_of(file):
                if not line.endswith(b"\n"):
                    return
                if line.strip():
                    yield _object(f"{path}:{number}", line)
    except OSError as error:
        raise storage_error(path, "read", error, "give the folder of a run") from error


def _object(place: str, line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StorageError(f"{place}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise StorageError(f"{place}: found {type(found).__name__}, expected an object")
    return found


def count_lines(path: Path) -> int:
    """Number of complete lines of a file; 0 if it can't be read."""
    try:
        with opened(path) as file:
            return sum(line.endswith(b"\n") for _, _, line in lines_of(file))
    except OSError:
        return 0


def sync_folder(folder: Path) -> None:
    """Make new file names in `folder` durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write that replaces `path` atomically if the block succeeds, and is removed if it fails.

    With `durable`, waits for the disk. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` atomically. Raises OSError."""
    with replacing(path, durable=durable) as file:
        file.write(content)


class LineFile:
    """An append-only file of lines, open for writing, with one writer at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create `path` and remove a torn last line. Raises OSError."""
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o644)  # links are refused: a foreign folder must not lead to other files
        try:
            self._size = _end_of_last_line(self._fd)
            if self._size != os.fstat(self._fd).st_size:
                os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)
        except OSError:
            os.close(self._fd)
            raise

    def write(self, lines: bytes) -> None:
        """Append complete lines and wait until they are on disk.

        Raises OSError; complete lines that were written stay, and a partial line is removed.
        """
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._fd, lines[written:] if written else lines)
            os.fsync(self._fd)
        except OSError:
            self._size += lines.rfind(b"\n", 0, written) + 1
            os.ftruncate(self._fd, self._size)
            raise
        self._size += written

    def close(self) -> None:
        os.close(self._fd)


def cut(path: Path, size: int) -> None:
    """Truncate a file to `size` bytes, durably. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if os.fstat(fd).st_size > size:
            os.ftruncate(fd, size)
            os.fsync(fd)
    finally:
        os.close(fd)


def _end_of_last_line(fd: int) -> int:
    """Offset after the last newline of the file, 0 if it has none."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
