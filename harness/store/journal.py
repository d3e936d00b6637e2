"""The journal: the append-only record of what happens in a run, and the truth about it.

One JSON object a line: `event`, `session_id` (null for an event of the run), `time` (Unix time in seconds) and what
belongs to the event. `docs/run-folder.md` lists the events.

Invariants:
- Only the process that holds the run folder's lock writes.
- A line counts once its newline is there. Only the last line may be torn; a broken line before it is damage.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from harness.errors import StorageError
from harness.store.commit import GroupCommit
from harness.store.files import storage_error
from harness.store.records import encode

JOURNAL = 0
"""Number of the journal among the files of its group; files derived from it come later."""


class Journal:
    """Appends events to the first file of a group of files."""

    def __init__(self, files: GroupCommit) -> None:
        self._files = files

    def append(self, event: str, session_id: str | None, **fields: Any) -> None:
        """Queue one event; costs microseconds and never waits for the disk.

        Raises `StorageError` once a write has failed: the run can't go on.
        """
        record = {"event": event, "session_id": session_id, "time": round(time.time(), 3), **fields}
        self._files.append(JOURNAL, encode(record))


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a journal, in order. A torn last line is left out.

    Raises `StorageError` where the file can't be read, or names the line that is no JSON object.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                yield _parse(path, number, line)
    except OSError as error:
        raise storage_error(path, "read", error, "give the folder of a run") from error


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StorageError(f"{path}:{number}: broken line, expected a JSON object: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("event"), str):
        raise StorageError(f"{path}:{number}: expected a JSON object with `event`, found {line[:60]!r}")
    return record
