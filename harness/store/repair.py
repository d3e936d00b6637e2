"""Takes out of a journal what is damaged, so that its run can go on, and says what is lost.

Invariants:
- Nothing is thrown away: what was there before is kept beside it.
- What is left is a journal that contradicts nothing: a session that lost a line goes on from the turn before it.
"""

import heapq
import os
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from harness.errors import StorageError
from harness.reading.files import MOST_BYTES, opened
from harness.store.files import lines_of, replacing, storage_error
from harness.store.journal import JOURNAL, SHARDS, is_last_hole, parse_line, shard_path
from harness.store.lock import lock
from harness.store.records import RunStatus, encode, read_record, read_sessions, whole_json
from harness.store.resume import Fold
from harness.store.run_dir import restore

_DERIVED = ("sessions.jsonl", "failures.jsonl")
_OF_SHARDS = frozenset({"handed_out", "shard_opened", "shard_closed"})
Line = tuple[str, dict[str, Any] | StorageError]
"""A place and what stands there, or why it can't be read."""


def repair(folder: Path) -> list[str]:
    """Mend the journal of a run folder; what was dropped, one line each, nothing where nothing is damaged.

    Raises `StorageError` where the folder holds no run, can't be written or is in use.
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
        raise storage_error(folder, "mend the files", error, "bring back the file, or a copy of the folder") from error
    finally:
        held.release()
    return [*mender.dropped, *mender.summary(), f"what was there before: {aside}"]


class _Mender:
    """Decides line by line what can stay."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self.dropped: list[str] = []
        self._lengths = lengths
        self._fold = Fold(None)
        self._cut: dict[str, int] = {}
        """Sessions that lost a line, with the number of the lines behind it that went with it."""
        self._broken = 0
        self._told: set[str] = set()
        self._seen: dict[str, int] = {}
        """By session, how many broken lines there were when its last line came."""
        self._turns: dict[str, int] = {}

    def kept(self, lines: Iterator[Line]) -> Iterator[bytes]:
        """The lines of the mended journal."""
        for place, record in lines:
            if isinstance(record, StorageError):
                self._broken += 1
                if place not in self._told:
                    self._told.add(place)
                    self.dropped.append(f"dropped {record}")
            elif record["event"] not in _OF_SHARDS and self._fits(place, record):
                yield encode(record)

    def note_lost(self) -> None:
        """Say which sessions stand in sessions.jsonl alone, once all lines are through."""
        for name in self._lengths.keys() - self._fold.progress.finished - self._cut.keys():
            self.dropped.append(
                f"session {name}: ended by sessions.jsonl, not by the journal; what is left is played on"
            )

    def summary(self) -> list[str]:
        """What became of the sessions that lost something."""
        return [
            f"session {name}: goes on from turn {self._turns.get(name, 0)}; {more} later lines of it were dropped, too"
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
        """Whether all turns of a session that ends are there: nothing was lost since its last line, or
        sessions.jsonl knows of as many."""
        if self._seen.get(session_id) == self._broken:
            return True
        return self._lengths.get(session_id) == self._turns.get(session_id, 0)


def _lines(folder: Path) -> Iterator[Line]:
    """Every line of a journal and its shards, in the order in which `read_journal` gives them."""
    sizes = _closed_sizes(folder)
    shards: dict[str, _Shard] = {}
    for place, record in _lines_of(folder / JOURNAL):
        yield place, record
        if isinstance(record, dict) and record["event"] == "handed_out":
            name = record["shard"]
            if name not in shards:
                shards[name] = _Shard(shard_path(folder, name), sizes.get(name))
            lines = shards[name].taken(record["session_id"])
            if lines is None:
                yield place, StorageError(f"{place}: session {record['session_id']} is handed to {name} a second time")
            else:
                yield from lines


def _closed_sizes(folder: Path) -> dict[str, int]:
    """How many bytes count of each shard that is closed, as far as the journal can be read."""
    sizes: dict[str, int] = {}
    for _, record in _lines_of(folder / JOURNAL):
        if isinstance(record, dict) and record["event"] == "shard_closed":
            sizes.setdefault(record["shard"], record.get("size", 0))
    return sizes


class _Shard:
    """The lines of a shard by session. One that can't be read may be of any: each gets it where it stands."""

    def __init__(self, path: Path, size: int | None) -> None:
        """Of its first `size` bytes, where it was closed: what came later does not count."""
        self._of: dict[str | None, list[tuple[int, Line]]] = {}
        self._broken: list[tuple[int, Line]] = []
        self._taken: set[str | None] = set()
        for number, (place, record) in enumerate(_lines_of(path, size) if os.path.lexists(path) else ()):
            of = self._of.setdefault(record["session_id"], []) if isinstance(record, dict) else self._broken
            of.append((number, (place, record)))

    def taken(self, session_id: str | None) -> Iterator[Line] | None:
        """The lines of a session; None where somebody has got them already."""
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
    """Session id to its number of turns, as sessions.jsonl has it."""
    path = folder / "sessions.jsonl"
    return {session.session_id: len(session.turns) for session in read_sessions(path)} if path.exists() else {}


def _put_aside(folder: Path) -> str:
    """Move the files that are about to be written anew; their new names. Raises OSError."""
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
