"""The journal: the append-only record of what happens in a run, and the truth about it.

One JSON object a line: `event`, `session_id` (null for an event of the run), `time` (Unix time in seconds) and what
belongs to the event. `docs/run-folder.md` lists the events.

It lies in journal.jsonl, and where replicas play the sessions, also in one shard a replica: `journal/NAME.jsonl` holds
what it journalled of its sessions, and a `handed_out` in journal.jsonl says which sessions those are, from where on.

Invariants:
- Only the process that holds the run folder's lock writes journal.jsonl, and only one replica a shard.
- A line counts once its newline is there. Only the last line may be torn; a broken line before it is damage.
- Of a shard that journal.jsonl calls closed only what was there then counts, whoever writes to it afterwards.
- A session is handed to a shard once at most, so its events there are one piece of its history.
"""

import time
from array import array
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from harness.errors import StorageError
from harness.store.commit import GroupCommit
from harness.store.files import storage_error
from harness.store.records import encode

JOURNAL = "journal.jsonl"
SHARDS = "journal"
"""Folder of the shards in a run folder."""


class Journal:
    """Appends events to the first file of a group of files; files derived from it come later in the group."""

    def __init__(self, files: GroupCommit) -> None:
        self._files = files

    def append(self, event: str, session_id: str | None, **fields: Any) -> None:
        """Queue one event; costs microseconds and never waits for the disk.

        Raises `StorageError` once a write has failed: the run can't go on.
        """
        self._files.append(0, journal_line(event, session_id, **fields))


def journal_line(event: str, session_id: str | None, **fields: Any) -> bytes:
    """One event of now as its line."""
    return encode({"event": event, "session_id": session_id, "time": round(time.time(), 3), **fields})


def read_journal(folder: Path, only: Collection[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a run, or of its sessions `only`, each with its place as FILE:LINE.

    The events of a session come in the order in which they happened: what a replica did follows where it was handed
    the session. A torn last line is left out. Raises `StorageError` where a file can't be read, or names the line that
    is no JSON object.
    """
    shards = _Shards(folder)
    for place, _, record in _records(folder / JOURNAL):
        session_id = record.get("session_id")
        if only is None or session_id is None or session_id in only:
            yield place, record
            if record["event"] == "handed_out":
                yield from shards.events(str(record.get("shard")), str(session_id))


def shard_path(folder: Path, name: str) -> Path:
    """The file of a shard."""
    return folder / SHARDS / f"{name}.jsonl"


def shard_names(folder: Path) -> list[str]:
    """The shards of a run folder."""
    return sorted(path.stem for path in (folder / SHARDS).glob("*.jsonl"))


def closed_shards(folder: Path) -> dict[str, int]:
    """How many bytes count of each shard that is closed."""
    closed: dict[str, int] = {}
    if (folder / SHARDS).is_dir():
        for _, _, record in _records(folder / JOURNAL):
            if record["event"] == "shard_closed":
                closed.setdefault(str(record["shard"]), int(record["size"]))
    return closed


class _Shards:
    """The shards of a run folder, each read once through to know where the lines of every session stand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes = closed_shards(folder)
        self._lines: dict[str, dict[str, array[int]]] = {}
        """By shard and session: number and offset of each line, in turn."""

    def events(self, name: str, session_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What a shard holds of a session."""
        path = shard_path(self._folder, name)
        if name not in self._lines:
            self._lines[name] = _lines_by_session(path, self._sizes.get(name))
        lines = self._lines[name].get(session_id)
        if lines is None:
            return
        try:
            with path.open("rb") as file:
                for number, offset in zip(lines[::2], lines[1::2], strict=True):
                    file.seek(offset)
                    yield f"{path}:{number}", _parse(f"{path}:{number}", file.readline())
        except OSError as error:
            raise _unreadable(path, error) from error


def _lines_by_session(path: Path, size: int | None) -> "dict[str, array[int]]":
    found: dict[str, array[int]] = {}
    for number, (_, offset, record) in enumerate(_records(path, size), 1):
        found.setdefault(str(record.get("session_id")), array("Q")).extend((number, offset))
    return found


def _records(path: Path, size: int | None = None) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Place, offset and content of the whole lines of a file, of the first `size` bytes where that is given."""
    offset = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") or (size is not None and offset + len(line) > size):
                    return
                yield f"{path}:{number}", offset, _parse(f"{path}:{number}", line)
                offset += len(line)
    except OSError as error:
        raise _unreadable(path, error) from error


def _parse(place: str, line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StorageError(f"{place}: broken line, expected a JSON object: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("event"), str):
        raise StorageError(f"{place}: expected a JSON object with `event`, found {line[:60]!r}")
    return record


def _unreadable(path: Path, error: OSError) -> StorageError:
    return storage_error(path, "read", error, "give the folder of a run, whole")
