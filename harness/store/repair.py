"""Removes the damaged lines of a journal, so that its run can be resumed, and reports what is lost.

Invariants:
- Nothing is deleted: the old files are kept next to the new ones.
- The new journal is consistent: a session that lost a line continues from the turn before it.
"""

import heapq
import os
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from harness.errors import StorageError
from harness.reading.files import MOST_BYTES, opened
from harness.store.encoding import encode, whole_json
from harness.store.files import lines_of, replacing, storage_error
from harness.store.journal import JOURNAL, SHARDS, is_last_hole, parse_line, shard_path
from harness.store.lock import lock
from harness.store.records import RunStatus, read_record, read_sessions
from harness.store.resume import Fold
from harness.store.run_dir import restore

_DERIVED = ("sessions.jsonl", "failures.jsonl")
_OF_SHARDS = frozenset({"handed_out", "shard_opened", "shard_closed"})
Line = tuple[str, dict[str, Any] | StorageError]
"""A place, and the record in that line or the reason why it can't be read."""


def repair(folder: Path) -> list[str]:
    """Repair the journal of a run folder; returns a line for each loss, and none if nothing is damaged.

    Raises `StorageError` if the folder holds no run, can't be written or is in use.
    """
    read_record(folder)
    held = lock(folder)
    try:
        known = _known_lengths(folder)
        mender = _Mender(known)
        kept = list(mender.kept(_lines(folder)))
        mender.note_lost()
        if not mender.dropped:
            return []
        aside = _put_aside(folder)
        with replacing(folder / JOURNAL) as file:
            file.writelines(kept)
        progress, _ = restore(folder, retry_failed=False)
        record = read_record(folder)
        totals = progress.totals(record.totals.sessions)
        status = record.status if totals.finished + totals.failed >= totals.sessions else RunStatus.INTERRUPTED
        with replacing(folder / "run.json") as file:
            file.write(whole_json(record.model_copy(update={"totals": totals, "status": status})))
    except OSError as error:
        raise storage_error(folder, "repair the files", error, "restore the file, or a copy of the folder") from error
    finally:
        held.release()
    return [*mender.dropped, *mender.summary(), f"the old files are kept as: {aside}"]


class _Mender:
    """Decides line by line what to keep."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self.dropped: list[str] = []
        self._lengths = lengths
        self._fold = Fold(None)
        self._cut: dict[str, int] = {}
        """Sessions that lost a line, with the number of later lines that were dropped, too."""
        self._broken = 0
        self._told: set[str] = set()
        self._seen: dict[str, int] = {}
        """By session, the number of broken lines before its last line."""
        self._turns: dict[str, int] = {}

    def kept(self, lines: Iterator[Line]) -> Iterator[bytes]:
        """The lines of the new journal."""
        for place, record in lines:
            if isinstance(record, StorageError):
                self._broken += 1
                if place not in self._told:
                    self._told.add(place)
                    self.dropped.append(f"dropped {record}")
            elif record["event"] not in _OF_SHARDS and self._fits(place, record):
                yield encode(record)

    def note_lost(self) -> None:
        """After the last line: report the sessions that only sessions.jsonl has."""
        for name in self._lengths.keys() - self._fold.progress.finished - self._cut.keys():
            self.dropped.append(
                f"session {name}: finished in sessions.jsonl, but not in the journal; it continues from its journalled turns"
            )

    def summary(self) -> list[str]:
        """A line for each session that lost something."""
        return [
            f"session {name}: continues from turn {self._turns.get(name, 0)}; {more} later lines of it were dropped, too"
            for name, more in self._cut.items()
        ]

    def _fits(self, place: str, record: dict[str, Any]) -> bool:
        session_id = record["session_id"]
        if session_id in self._cut:
            self._cut[session_id] += 1
            return False
        try:
            if record["event"] == "stopped" and not self._is_whole(str(session_id)):
                raise StorageError(f"{place}: the end of session {session_id}, whose last turns may be lost")
            self._fold.take(record, place)
        except StorageError as error:
            self.dropped.append(f"dropped {error}")
            if session_id is not None:
                self._cut[session_id] = 0
            return False
        if session_id is not None:
            self._seen[session_id] = self._broken
            self._turns[session_id] = self._turns.get(session_id, 0) + (record["event"] == "turn")
        return True

    def _is_whole(self, session_id: str) -> bool:
        """Whether a session that ends has all its turns: nothing was lost since its last line, or
        sessions.jsonl has the same number."""
        if self._seen.get(session_id) == self._broken:
            return True
        return self._lengths.get(session_id) == self._turns.get(session_id, 0)


def _lines(folder: Path) -> Iterator[Line]:
    """Every line of a journal and its shards, in the order of `read_journal`."""
    sizes = _closed_sizes(folder)
    shards: dict[str, _Shard] = {}
    for place, record in _lines_of(folder / JOURNAL):
        yield place, record
        if isinstance(record, dict) and record["event"] == "handed_out":
            name = record["shard"]
            path = shard_path(folder, name)
            if not os.path.lexists(path):
                yield (
                    place,
                    StorageError(f"{place}: session {record['session_id']} is in {SHARDS}/{path.name}, which is gone"),
                )
                continue
            if name not in shards:
                shards[name] = _Shard(path, sizes.get(name))
            lines = shards[name].taken(record["session_id"])
            if lines is None:
                yield place, StorageError(f"{place}: session {record['session_id']} is handed to {name} a second time")
            else:
                yield from lines


def _closed_sizes(folder: Path) -> dict[str, int]:
    """The number of bytes that count of each closed shard, as far as the journal can be read."""
    sizes: dict[str, int] = {}
    for _, record in _lines_of(folder / JOURNAL):
        if isinstance(record, dict) and record["event"] == "shard_closed":
            sizes.setdefault(record["shard"], record.get("size", 0))
    return sizes


class _Shard:
    """The lines of a shard by session. An unreadable line may belong to any session, so each gets it."""

    def __init__(self, path: Path, size: int | None) -> None:
        """Reads the first `size` bytes, if the shard was closed; later lines do not count."""
        self._of: dict[str | None, list[tuple[int, Line]]] = {}
        self._broken: list[tuple[int, Line]] = []
        self._taken: set[str | None] = set()
        for number, (place, record) in enumerate(_lines_of(path, size)):
            of = self._of.setdefault(record["session_id"], []) if isinstance(record, dict) else self._broken
            of.append((number, (place, record)))

    def taken(self, session_id: str | None) -> Iterator[Line] | None:
        """The lines of a session; None if they were taken before."""
        if session_id in self._taken:
            return None
        self._taken.add(session_id)
        lines = heapq.merge(self._of.pop(session_id, []), self._broken, key=itemgetter(0))
        return (line for _, line in lines)


def _lines_of(path: Path, size: int | None = None) -> Iterator[Line]:
    last = 0.0
    with opened(path) as file:
        for number, offset, line in lines_of(file):
            place = f"{path.name}:{number}"
            if size is not None and offset + len(line) > size:
                return
            if not line.endswith(b"\n") and len(line) < MOST_BYTES:
                return
            if b"\0" in line and is_last_hole(path, offset, last):
                return
            try:
                record = parse_line(place, line.strip(b"\0"))
            except StorageError as error:
                yield place, error
            else:
                last = record["time"]
                yield place, record


def _known_lengths(folder: Path) -> dict[str, int]:
    """Number of turns by session id, from sessions.jsonl."""
    path = folder / "sessions.jsonl"
    return {session.session_id: len(session.turns) for session in read_sessions(path)} if path.exists() else {}


def _put_aside(folder: Path) -> str:
    """Rename the files that will be written again; returns their new names. Raises OSError."""
    names = []
    for name in (JOURNAL, SHARDS, *_DERIVED):
        if not (folder / name).exists():
            continue
        number, aside = 1, folder / f"{name}.damaged"
        while aside.exists():
            number += 1
            aside = folder / f"{name}.damaged-{number}"
        (folder / name).rename(aside)
        names.append(aside.name)
    (folder / JOURNAL).touch()
    return ", ".join(names)
