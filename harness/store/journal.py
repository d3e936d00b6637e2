"""The journal: the append-only, authoritative record of what happens in a run.

One JSON object per line: `event`, `session_id` (null for an event of the run), `time` (Unix time in seconds) and the
fields of the event. `docs/run-folder.md` lists the events.

It is journal.jsonl and, if replicas play the sessions, one shard per replica: `journal/NAME.jsonl` has the events of the
replica's sessions, and a `handed_out` in journal.jsonl says from which place on a session's events are in a shard.

Invariants:
- Only the process that holds the run folder's lock writes journal.jsonl, and only one replica a shard.
- A line counts once it has its newline. Only the last line may be torn; a broken line before it is damage.
- A power cut may leave a hole of NUL bytes in the last write; like a torn line, nothing from there on counts.
- Names in a journal can't refer to files outside its folder.
- Of a shard that journal.jsonl has closed, only the lines up to then count, even if something is written later.
- A session is handed to a shard at most once, so its events there are one piece of its history.
"""

import re
import time
from array import array
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from harness.errors import StorageError
from harness.reading.files import MOST_BYTES, opened
from harness.store.commit import GroupCommit
from harness.store.encoding import encode
from harness.store.files import lines_of, storage_error
from harness.store.records import SESSION_ID, shown

JOURNAL = "journal.jsonl"
SHARDS = "journal"
"""Folder of the shards in a run folder."""
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LAST_WRITE_S = 60.0
"""Seconds; if lines after a hole of NUL bytes are later than those before it by more, a power cut did not make it."""


class Journal:
    """Appends events to the first file of a group of files; files derived from it come later in the group."""

    def __init__(self, files: GroupCommit) -> None:
        self._files = files

    def append(self, event: str, session_id: str | None, **fields: Any) -> None:
        """Queue one event; costs microseconds and never waits for the disk.

        Raises `StorageError` after a failed write: the run can't continue.
        """
        self._files.append(0, journal_line(event, session_id, **fields))


def journal_line(event: str, session_id: str | None, **fields: Any) -> bytes:
    """The line of an event that happens now."""
    return encode({"event": event, "session_id": session_id, "time": round(time.time(), 3), **fields})


def read_journal(folder: Path, only: Collection[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a run, or of its sessions `only`, each with its place as FILE:LINE.

    The events of a session come in the order in which they happened: those in a shard follow the event that handed it the
    session. A torn last line is left out. Raises `StorageError` if a file can't be read, or, with its place, for a line
    that is not a JSON object.
    """
    shards = _Shards(folder)
    for place, _, record in _records(folder / JOURNAL):
        session_id = record["session_id"]
        if only is None or session_id is None or session_id in only:
            yield place, record
            if record["event"] == "handed_out":
                yield from shards.events(record["shard"], str(session_id))


def shard_path(folder: Path, name: str) -> Path:
    """The path of a shard."""
    return folder / SHARDS / f"{name}.jsonl"


def shard_names(folder: Path) -> list[str]:
    """The names of a run folder's shards."""
    return sorted(path.stem for path in (folder / SHARDS).glob("*.jsonl"))


def closed_shards(folder: Path) -> dict[str, int]:
    """The number of bytes that count of each closed shard."""
    closed: dict[str, int] = {}
    if (folder / SHARDS).is_dir():
        for _, _, record in _records(folder / JOURNAL):
            if record["event"] == "shard_closed":
                closed.setdefault(record["shard"], record["size"])
    return closed


class _Shards:
    """The shards of a run folder. Each is read once to find the lines of every session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes = closed_shards(folder)
        self._lines: dict[str, dict[str, array[int]]] = {}
        """By shard and session: line number and offset of each line, alternating."""

    def events(self, name: str, session_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of a session in a shard."""
        path = shard_path(self._folder, name)
        if name not in self._lines:
            self._lines[name] = _lines_by_session(path, self._sizes.get(name))
        lines = self._lines[name].get(session_id)
        if lines is None:
            return
        try:
            with opened(path) as file:
                for number, offset in zip(lines[::2], lines[1::2], strict=True):
                    file.seek(offset)
                    yield f"{path}:{number}", parse_line(f"{path}:{number}", file.readline(MOST_BYTES))
        except OSError as error:
            raise _unreadable(path, error) from error


def _lines_by_session(path: Path, size: int | None) -> "dict[str, array[int]]":
    found: dict[str, array[int]] = {}
    for number, (_, offset, record) in enumerate(_records(path, size), 1):
        found.setdefault(str(record.get("session_id")), array("Q")).extend((number, offset))
    return found


def _records(path: Path, size: int | None = None) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Place, offset and content of the complete lines of a file, or of its first `size` bytes."""
    last = 0.0
    try:
        with opened(path) as file:
            for number, offset, line in lines_of(file):
                if size is not None and offset + len(line) > size:
                    return
                if b"\0" in line and is_last_hole(path, offset, last):
                    return
                if _is_torn(line):
                    return
                record = parse_line(f"{path}:{number}", line)
                last = record["time"]
                yield f"{path}:{number}", offset, record
    except OSError as error:
        raise _unreadable(path, error) from error


def whole_size(path: Path) -> int:
    """Size in bytes of the lines of a journal or a shard that count: those before a torn last line, or before a hole that
    a power cut left. The file may be in use.

    Raises OSError, and `StorageError` for a line that is damaged otherwise.
    """
    end, last = 0, 0.0
    with opened(path) as file:
        for number, offset, line in lines_of(file):
            if _is_torn(line) or (b"\0" in line and is_last_hole(path, offset, last)):
                break
            last = parse_line(f"{path}:{number}", line)["time"]
            end = offset + len(line)
    return end


def _is_torn(line: bytes) -> bool:
    """Whether a line of `lines_of` is a torn last line. A line that is too long to be read whole is damage, with others
    behind it."""
    return not line.endswith(b"\n") and len(line) < MOST_BYTES


def is_last_hole(path: Path, start: int, last: float) -> bool:
    """Whether everything from offset `start` on was written with, or just after, a line with time `last`.

    Lines behind a hole are of the same write; had the run gone on after the power cut, they would be younger.
    """
    with opened(path) as file:
        file.seek(start)
        for _, _, line in lines_of(file):
            if b"\0" in line or not line.endswith(b"\n"):
                continue
            try:
                when = float(orjson.loads(line)["time"])
            except (ValueError, TypeError, KeyError):
                return False
            last = last or when
            if when > last + _LAST_WRITE_S:
                return False
    return True


def parse_line(place: str, line: bytes) -> dict[str, Any]:
    """An event from its line, with `event`, `session_id` and `time`. Raises `StorageError`."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        remedy = "`python -m harness repair` says what is lost without it, and drops it"
        raise StorageError(f"{place}: broken line, expected a JSON object: {error}; {remedy}") from error
    if not isinstance(record, dict) or not isinstance(record.get("event"), str):
        raise StorageError(f"{place}: expected a JSON object with `event`, found {line[:60]!r}")
    session_id = record.setdefault("session_id", None)
    if session_id is not None and not (isinstance(session_id, str) and SESSION_ID.fullmatch(session_id)):
        raise StorageError(f"{place}: session_id: found {shown(session_id)}, expected the id of a session")
    if not isinstance(record.get("time"), int | float):
        record["time"] = 0.0
    if record["event"] in ("handed_out", "shard_opened", "shard_closed"):
        _check_shard(place, record)
    return record


def _check_shard(place: str, record: dict[str, Any]) -> None:
    name, size = record.get("shard"), record.get("size", 0)
    if not isinstance(name, str) or not _SHARD.fullmatch(name):
        raise StorageError(f"{place}: shard: found {shown(name)}, expected the name of a shard, as replica-0")
    if type(size) is not int or size < 0:
        raise StorageError(f"{place}: size: found {shown(size)}, expected a number of bytes")


def _unreadable(path: Path, error: OSError) -> StorageError:
    return storage_error(path, "read", error, "give the folder of a run, whole")
