"""Records which process holds a run folder: for messages, and for readers, which must not take its lock.

Invariant: the file exists while its process holds the folder, and remains if that process is killed.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from harness.reading.files import read_bytes

NAME = ".holder"


@dataclass(frozen=True, slots=True)
class Holder:
    """Identifies a process uniquely."""

    pid: int
    host: str
    """Name, boot and process namespace of the machine; a process id is valid only there."""
    started: int | None
    """Start time in ticks since boot; distinguishes it from a later process with the same id."""

    @classmethod
    def current(cls) -> Self:
        """This process."""
        return cls(os.getpid(), _host(), _started(os.getpid()))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The process that holds a folder; None if there is none, or if its file can't be read."""
        try:
            found = orjson.loads(read_bytes(folder / NAME))
            pid, host, started = found["pid"], found["host"], found["started"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = type(pid) is int and 0 < pid < 2**31 and isinstance(host, str) and type(started) in (int, type(None))
        return cls(pid, host, started) if whole else None

    def write(self, folder: Path) -> None:
        """Record that this process holds a folder. Raises OSError."""
        temporary = folder / f"{NAME}.{self.pid}.new"
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            file.write(orjson.dumps({"pid": self.pid, "host": self.host, "started": self.started}))
        temporary.replace(folder / NAME)

    def is_alive(self) -> bool | None:
        """Whether the process is still running; None for a process of another machine."""
        if self.host != _host():
            return None
        now = _started(self.pid)
        return now is not None and (self.started is None or now == self.started)


def _host() -> str:
    return f"{socket.gethostname()} {_content('/proc/sys/kernel/random/boot_id')} {_link('/proc/self/ns/pid')}"


def _started(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, counted after the name, which may contain spaces; None if there is no process."""
    fields = _content(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] != "Z" else None


def _content(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
