"""A replica's part of the journal: the events of the sessions that it was handed.

Invariant: a replica opens its shard before it is handed a session, and no other process ever writes to it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.store.commit import GroupCommit
from harness.store.files import LineFile, storage_error
from harness.store.journal import (
    JOURNAL,
    SHARDS,
    Journal,
    closed_shards,
    journal_line,
    shard_names,
    shard_path,
    whole_size,
)
from harness.store.session_log import SessionLog
from harness.types import Failure, SessionResult


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished session, with its metrics."""

    result: SessionResult
    metrics: Mapping[str, Any]


End = Finished | Failure
"""How a session ended."""


class Shard(SessionLog):
    """A shard that this process writes; keeps the ends of its sessions until they are taken."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make the shard `name` of a run folder. Raises `StorageError` if it can't be written."""
        self._files = GroupCommit([shard_path(folder, name)])
        self._ends: dict[str, End] = {}
        super().__init__(Journal(self._files))

    def finish_session(self, result: SessionResult, metrics: Mapping[str, Any]) -> None:
        super().finish_session(result, metrics)
        self._ends[result.spec.session_id] = Finished(result, metrics)

    def fail_session(self, failure: Failure) -> None:
        super().fail_session(failure)
        self._ends[failure.spec.session_id] = failure

    async def taken(self, session_id: str) -> End:
        """Wait until a session's end is on disk, then return and remove it. Raises `StorageError`."""
        await self.committed()
        return self._ends.pop(session_id)

    async def committed(self) -> None:
        """Wait until everything so far is on disk. Raises `StorageError`."""
        await self._files.committed()

    def close(self) -> None:
        """Bring everything to disk; may be called twice. Raises `StorageError`."""
        self._files.close()


def next_number(folder: Path) -> int:
    """A number larger than that of any shard of the folder."""
    numbers = (re.search(r"\d+$", name) for name in shard_names(folder))
    return max((int(number[0]) + 1 for number in numbers if number), default=0)


def close_shards(folder: Path) -> None:
    """Close every open shard: journal that its complete lines count, and nothing written later.

    For a folder whose lock this process holds and that it has not opened, so the writers of the shards are dead or lost.
    Raises `StorageError`.
    """
    if not (folder / SHARDS).is_dir():
        return
    closed = closed_shards(folder)
    try:
        sizes = {name: whole_size(shard_path(folder, name)) for name in shard_names(folder) if name not in closed}
        lines = [journal_line("shard_closed", None, shard=name, size=size) for name, size in sizes.items()]
        if not lines:
            return
        journal = LineFile(folder / JOURNAL)
        try:
            journal.write(b"".join(lines))
        finally:
            journal.close()
    except OSError as error:
        raise storage_error(folder / JOURNAL, "write", error, "fix this, then resume the run") from error
