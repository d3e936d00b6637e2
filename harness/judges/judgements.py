"""judgements.jsonl: every answer as the engine gave it. It is the cache, and the journal to resume from.

Invariants:
- Append-only; an incomplete last line is removed before anything is appended.
- Failed requests are recorded and sent again next time; every other key occurs once.
- The index takes 16 bytes for each answer in the file, whatever its length, and more for answers of this process.
- A folder is complete by itself: an answer found in another folder's record is copied into its own.
"""

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from harness.errors import StorageError
from harness.judges.records import JUDGEMENTS, Judgement, line
from harness.reading.files import opened
from harness.store.commit import GroupCommit
from harness.store.files import lines_of, storage_error

LATEST = 4096
"""Number of answers kept in memory: older ones have certainly reached the file."""
MERGED = 1 << 16


class Judgements:
    """The answers of a run folder. Use as a context manager, or `close` it."""

    def __init__(self, folder: Path, *, writable: bool = True, known: "Judgements | None" = None) -> None:
        """`known` are the answers of another folder, which count here too: the same key is the same request.

        Raises `StorageError` if the file can't be read or written.
        """
        self.path = folder / JUDGEMENTS
        self._known = known
        self._files = GroupCommit([self.path]) if writable else None
        try:
            self._prefixes, self._offsets = _index(self.path)
            self._fd = _descriptor(self.path) if self.path.exists() else None
            self._end = os.fstat(self._fd).st_size if self._fd is not None else 0
        except OSError as error:
            raise storage_error(self.path, "read", error, "mend that, then judge again") from error
        self._new: dict[int, int] = {}
        """Prefix of the key to offset, for answers of this process that are not in the sorted arrays yet."""
        self._latest: OrderedDict[str, Judgement] = OrderedDict()
        """The last answers, which may not be in the file yet."""

    def get(self, key: str) -> Judgement | None:
        """The recorded answer with this key; None without one. Raises `StorageError` if its line is damaged."""
        found = self._own(key)
        if found is None and self._known is not None and (found := self._known.get(key)) is not None:
            self.add(found)
        return found

    def _own(self, key: str) -> Judgement | None:
        if (latest := self._latest.get(key)) is not None:
            return latest
        prefix = int(key[:16], 16)
        if (offset := self._new.get(prefix)) is not None and (found := self._read(offset)).key == key:
            return found
        wanted = np.uint64(prefix)
        place = int(np.searchsorted(self._prefixes, wanted))
        while place < len(self._prefixes) and self._prefixes[place] == wanted:
            found = self._read(int(self._offsets[place]))
            if found.key == key:
                return found
            place += 1
        return None

    def _read(self, offset: int) -> Judgement:
        assert self._fd is not None
        size = 1 << 13
        while True:
            raw = os.pread(self._fd, size, offset)
            end = raw.find(b"\n")
            if end >= 0 or len(raw) < size:
                break
            size *= 4
        try:
            return Judgement.model_validate_json(raw[: end if end >= 0 else len(raw)])
        except ValidationError as error:
            message = f"{self.path}: the line at byte {offset} is damaged; remove it and judge again"
            raise StorageError(message) from error

    def add(self, judgement: Judgement) -> None:
        """Append an answer; it is written to disk a moment later. Raises `StorageError` after a failed write."""
        assert self._files is not None
        raw = line(judgement)
        self._files.append(0, raw)
        offset, self._end = self._end, self._end + len(raw)
        if judgement.error is not None:
            return
        self._new[int(judgement.key[:16], 16)] = offset
        self._latest[judgement.key] = judgement
        if len(self._latest) > LATEST:
            self._latest.popitem(last=False)
        if len(self._new) >= MERGED:
            self._merge()

    def _merge(self) -> None:
        """Move the new answers to the sorted arrays, where they need less memory."""
        prefixes = np.concatenate([self._prefixes, np.fromiter(self._new.keys(), np.uint64, len(self._new))])
        offsets = np.concatenate([self._offsets, np.fromiter(self._new.values(), np.uint64, len(self._new))])
        order = np.argsort(prefixes, kind="stable")
        self._prefixes, self._offsets = prefixes[order], offsets[order]
        self._new.clear()

    async def committed(self) -> None:
        """Wait until all answers so far are on disk."""
        if self._files is not None:
            await self._files.committed()

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._files is not None:
            self._files.close()

    def __enter__(self) -> "Judgements":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def recorded(folder: Path) -> dict[str, set[str]]:
    """The judges with answers in a folder, each with the rubrics of these. Raises `StorageError`."""
    path = folder / JUDGEMENTS
    found: dict[str, set[str]] = {}
    try:
        with opened(path) as file:
            for number, _, raw in lines_of(file):
                if raw.endswith(b"\n") and _prefix(raw, path, number) is not None:
                    answer = orjson.loads(raw)
                    found.setdefault(str(answer.get("judge")), set()).add(str(answer.get("rubric")))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise storage_error(path, "read", error, "mend that, then judge again") from error
    return found


def _descriptor(path: Path) -> int:
    with opened(path) as file:
        return os.dup(file.fileno())


def _index(path: Path) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first 8 bytes of all keys in ascending order, and the offsets of their lines; without failed requests."""
    prefixes: list[NDArray[np.uint64]] = []
    block: list[tuple[int, int]] = []
    if path.exists():
        with opened(path) as file:
            for number, offset, raw in lines_of(file):
                if not raw.endswith(b"\n"):
                    break
                if (prefix := _prefix(raw, path, number)) is not None:
                    block.append((prefix, offset))
                if len(block) >= 1 << 16:
                    prefixes.append(np.array(block, dtype=np.uint64))
                    block = []
    prefixes.append(np.array(block, dtype=np.uint64).reshape(-1, 2))
    table = np.concatenate(prefixes)
    order = np.argsort(table[:, 0], kind="stable")
    return np.ascontiguousarray(table[order, 0]), np.ascontiguousarray(table[order, 1])


def _prefix(raw: bytes, path: Path, number: int) -> int | None:
    try:
        data = orjson.loads(raw)
        return None if data.get("error") is not None else int(data["key"][:16], 16)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{path}:{number}: not a line of judgements.jsonl; remove it and judge again"
        raise StorageError(message) from error
