"""JSON Lines of an export: one file per part, without duplicates across parts, and the dataset card.

Invariants:
- Rows are written one at a time; no part is held in memory.
- The folder is new or empty, so that nothing is mixed with an older export.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from harness.errors import StorageError
from harness.exports.card import card
from harness.exports.job import Job, Written
from harness.exports.split import Seen
from harness.store.files import storage_error, write_whole

Record = Mapping[str, Any]
Texts = Callable[[Record], Sequence[str]]
"""The message that a row answers, and the answer; used to find duplicates."""


def make_folder(out: Path) -> None:
    """Make the folder of an export. Raises `StorageError` if it is not empty."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = sorted(path.name for path in out.iterdir())
    except OSError as error:
        raise storage_error(out, "make the folder", error, "choose another --out") from error
    if there:
        raise StorageError(f"{out}: holds other files ({there[0]}, ...); choose a new or empty --out")


@contextmanager
def whole_or_nothing(out: Path) -> Iterator[None]:
    """If the block fails, remove what it wrote to the folder of an export, so that the export can be repeated.

    A folder that held something before stays as it is.
    """
    existed = os.path.lexists(out)
    own = not existed or _is_empty(out)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the error that ended the block is the one to tell
            for path in out.iterdir() if own else ():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            if not existed:
                out.rmdir()
        raise


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False


def write_rows(job: Job, rows: Iterable[tuple[str, Record]], texts: Texts) -> Written:
    """Write (persona, row) pairs to train.jsonl (and test.jsonl if there is a split), with the dataset card."""
    make_folder(job.out)
    written = Written(left_out=job.counts.left_out)
    try:
        if job.split is None:
            with (job.out / "train.jsonl").open("wb") as file:
                written.files["train.jsonl"] = sum(_write(file, row) for _, row in rows)
        else:
            _write_split(job, rows, texts, written)
        write_whole(job.out / "README.md", card(job, written).encode(), durable=False)
    except OSError as error:
        raise storage_error(job.out, "write", error, "choose another --out") from error
    return written


def _write_split(job: Job, rows: Iterable[tuple[str, Record]], texts: Texts, written: Written) -> None:
    assert job.split is not None
    seen, whole = Seen(), job.out / ".train.jsonl.whole"
    with whole.open("wb") as train, (job.out / "test.jsonl").open("wb") as test:
        count = 0
        for persona, row in rows:
            if job.split.part(persona) == "train":
                _write(train, row)
            else:
                seen.add(texts(row))
                count += _write(test, row)
    written.files = {"train.jsonl": 0, "test.jsonl": count}
    with whole.open("rb") as lines, (job.out / "train.jsonl").open("wb") as train:
        for line in lines:
            if seen.holds(texts(orjson.loads(line))):
                written.left_out["duplicate of a test row"] += 1
            else:
                train.write(line)
                written.files["train.jsonl"] += 1
    whole.unlink()


def _write(file: BinaryIO, row: Record) -> int:
    file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return 1
