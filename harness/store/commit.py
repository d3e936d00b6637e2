"""Group commit: callers append lines in memory, and one thread writes them to disk.

Invariants:
- Appending never waits for the disk; a line is on disk after about `interval_s`, or when `committed` returns.
- A line is on disk before any line that was appended after it to a later file of the group: all files of a batch are
  written and synced in the order of the group.
- The first write that fails ends the group: every later call raises the same one-line error.
"""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import StorageError
from harness.store.files import LineFile, storage_error, sync_folder


@dataclass(slots=True)
class _Batch:
    """The lines that wait for the next write."""

    lines: list[list[bytes]]
    """Lines per file of the group, in order of appending."""
    waiters: list[Future[None]] = field(default_factory=list)


class GroupCommit:
    """Append-only files that are written together by one thread."""

    def __init__(self, paths: Sequence[Path], *, interval_s: float = 0.05) -> None:
        """Open the files and remove torn last lines. Raises `StorageError` if one can't be opened for writing."""
        self._interval_s = interval_s
        self._files: list[LineFile] = []
        for path in paths:
            try:
                self._files.append(LineFile(path))
            except OSError as error:
                self._close_files()
                raise storage_error(path, "open for writing", error, "choose another run.dir") from error
        for folder in {path.parent for path in paths}:
            try:
                sync_folder(folder)
            except OSError as error:
                self._close_files()
                raise storage_error(folder, "sync", error, "choose another run.dir") from error
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._batch = self._empty()
        self._watchers: list[Future[None]] = []
        self._error: StorageError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def append(self, file: int, line: bytes) -> None:
        """Queue one line (with its newline) for the file of that number. Raises `StorageError` after a failed write."""
        with self._lock:
            self._refuse_if_over()
            self._batch.lines[file].append(line)
            if not self._wake.is_set():  # checking is much cheaper than setting it for every line of a batch
                self._wake.set()

    def commit(self) -> Future[None]:
        """A future that is done when everything appended so far is on disk, or fails with the `StorageError`."""
        done: Future[None] = Future()
        with self._lock:
            self._refuse_if_over()
            self._batch.waiters.append(done)
            self._hurry.set()
            self._wake.set()
        return done

    async def committed(self) -> None:
        """Wait until everything appended so far is on disk. Raises `StorageError`."""
        await asyncio.wrap_future(self.commit())

    async def watch(self) -> None:
        """Wait until a write fails, and raise its `StorageError`; never returns. Cancel it when the run is over."""
        failed: Future[None] = Future()
        with self._lock:
            self._refuse_if_over()
            self._watchers.append(failed)
        await asyncio.wrap_future(failed)

    def fail(self, error: StorageError) -> None:
        """End the group with the caller's error: lines appended so far are still written, later ones are refused."""
        with self._lock:
            self._error = self._error or error
            self._hurry.set()
            self._wake.set()
            watchers, self._watchers = self._watchers, []
        _settle(watchers, error)

    def close(self) -> None:
        """Bring everything to disk and close the files; may be called twice, and by several threads at once.

        Raises the `StorageError` that ended the group, if there is one.
        """
        with self._lock:
            first = not self._closing
            self._closing = True
            self._hurry.set()
            self._wake.set()
        self._thread.join()  # also where another thread closes: whoever returns may end the process
        if first:
            self._close_files()
        if self._error is not None:
            raise StorageError(*self._error.args)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        over = False
        while not over:
            self._wake.wait()
            self._hurry.wait(self._interval_s)
            over = self._write_what_waits()

    def _write_what_waits(self) -> bool:
        """Write the batch; returns whether it was the last. A separate function, so that a written batch is freed."""
        with self._lock:
            batch, self._batch = self._batch, self._empty()
            over = self._closing or self._error is not None
            self._wake.clear()
            self._hurry.clear()
        try:
            self._write(batch)
        except StorageError as error:
            self._fail(error, batch.waiters)
        except Exception as error:  # the thread must not end silently: the next append must raise this
            self._fail(StorageError(f"{self._files[0].path.parent}: writing stopped: {error!r}"), batch.waiters)
        else:
            _settle(batch.waiters, None)
            return over
        return True

    def _write(self, batch: _Batch) -> None:
        for file, lines in zip(self._files, batch.lines, strict=True):
            if not lines:
                continue
            try:
                file.write(b"".join(lines))
            except OSError as error:
                remedy = "the files are intact: fix this, then resume the run"
                raise storage_error(file.path, "write", error, remedy) from error

    def _fail(self, error: StorageError, waiters: Sequence[Future[None]]) -> None:
        with self._lock:
            self._error = self._error or error
            late, self._batch = self._batch, self._empty()
            watchers, self._watchers = self._watchers, []
        _settle([*waiters, *late.waiters, *watchers], error)

    def _refuse_if_over(self) -> None:
        if self._error is not None:
            raise StorageError(*self._error.args)
        if self._closing:
            raise StorageError(f"{self._files[0].path}: is closed; nothing more can be appended")

    def _empty(self) -> _Batch:
        return _Batch([[] for _ in self._files])

    def _close_files(self) -> None:
        for file in self._files:
            file.close()


def _settle(futures: Sequence[Future[None]], error: StorageError | None) -> None:
    """Finish the futures that are not cancelled."""
    for future in futures:
        if future.set_running_or_notify_cancel():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
