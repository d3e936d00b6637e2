"""The folder of a run; all files of a run are written through this module.

Invariants:
- A run is never overwritten, and one process at a time writes to it.
- Events of a session go to the journal first; sessions.jsonl and failures.jsonl get their line no earlier.
- Only `create`, `open`, `update` and `close` wait for the disk; and the end of a session, if transcripts are made faster
  than they can be written.
"""

import errno
import shutil
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Semaphore
from types import TracebackType
from typing import Any, Self

from harness.errors import StorageError
from harness.reading.files import read_bytes
from harness.store.commit import GroupCommit
from harness.store.counts import mended
from harness.store.encoding import encode, whole_json
from harness.store.files import cut, replacing, storage_error, write_whole
from harness.store.journal import JOURNAL, SHARDS, Journal, shard_names, shard_path, whole_size
from harness.store.lines import failure_fields, session_fields
from harness.store.lock import NAME as LOCK
from harness.store.lock import RunLock, lock
from harness.store.records import RunRecord, RunStatus, Totals, add_usage, read_record, totals_fields, whole_ids
from harness.store.resume import Progress, load_progress
from harness.store.session_log import SessionLog
from harness.store.shard import End, close_shards, next_number
from harness.store.transcripts import transcript
from harness.types import (
    Failure,
    Purpose,
    RequestUsage,
    Sampled,
    SessionResult,
    SessionSpec,
    StopReason,
    Turn,
    View,
)

_FILES = (JOURNAL, "sessions.jsonl", "failures.jsonl")
"""The files of the group, in the order in which they are written (see `commit`)."""
_SESSIONS, _FAILURES = 1, 2
LOGS = "logs"
"""Folder of the engines' messages; it may exist before the run, left by an engine that did not start."""
MOST_WAITING = 64
"""Most sessions whose transcripts wait to be written."""


class RunDir(SessionLog):
    """A run folder whose lock this process holds. Use as a context manager, or call `close`."""

    def __init__(self, path: Path, record: RunRecord, held: RunLock) -> None:
        """Open the files for appending; used by `create` and `open`."""
        self.path = path
        self._record = record
        self._totals = totals_fields(record.totals)
        self._lock = held
        self._files = GroupCommit([path / name for name in _FILES])
        super().__init__(Journal(self._files))
        self._transcripts = ThreadPoolExecutor(1, "transcripts")
        self._room = Semaphore(MOST_WAITING)
        self.begun = False
        """Whether a session has begun, in this process or an earlier one."""

    @classmethod
    def create(cls, path: Path, record: RunRecord) -> Self:
        """Start a run in a new or empty folder (hidden files don't count).

        Raises `StorageError` if the folder can't be written, is not empty, or is locked.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path, "make the folder", error, "choose another run.dir") from error
        if not (path / "run.json").exists():
            _refuse_used(path)  # first, so that a foreign folder gets no lock file
        held = lock(path)
        try:
            _refuse_used(path)
            _write(path / "run.json", record)
            _make_folder(path / "transcripts")
            run_dir = cls(path, record, held)
        except BaseException:
            held.release()
            raise
        return run_dir

    @classmethod
    def open(cls, path: Path, *, retry_failed: bool = False) -> tuple[Self, Progress]:
        """Open an existing run; also returns its progress.

        Torn last lines are removed; sessions.jsonl, failures.jsonl and missing transcripts are written again from the
        journal. With `retry_failed`, failed sessions are in progress again, from their last complete turn.
        Raises `StorageError` if the folder holds no run, is damaged, can't be written or is locked.
        """
        read_record(path)  # first, so that a folder that holds no run gets no lock file
        held = lock(path)
        try:
            record = read_record(path)
            progress, retried = restore(path, retry_failed)
            changes = {
                "status": RunStatus.RUNNING,
                "finished_at": None,
                "resumed": record.resumed + 1,
                "totals": progress.totals(record.totals.sessions),
            }
            run_dir = cls(path, record.model_copy(update=changes), held)
        except BaseException:
            held.release()
            raise
        run_dir.begun = True
        try:
            run_dir.journal.append("resumed", None)
            for session_id in retried:
                run_dir.journal.append("retry_failed", session_id)
            run_dir.update()
        except BaseException:
            run_dir.close()
            raise
        return run_dir, progress

    @property
    def record(self) -> RunRecord:
        """The record of the run, with current totals."""
        return self._record.model_copy(update={"totals": Totals(**self._totals)})

    def start_session(self, spec: SessionSpec, **fields: Any) -> None:
        super().start_session(spec, **fields)
        self.begun = True

    def record_turn(
        self,
        session_id: str,
        turn: Turn,
        view: View | None,
        stop: StopReason | None = None,
        draft: int | str = 0,
        sampled: Sampled | None = None,
    ) -> None:
        turn = mended(turn)
        super().record_turn(session_id, turn, view, stop, draft, sampled)
        self._totals["turns"] += 1
        for name in ("prompt_tokens", "cached_tokens", "completion_tokens"):
            self._totals[name] += getattr(turn, name) or 0

    def record_usage(self, session_id: str, usage: Mapping[Purpose, RequestUsage]) -> None:
        super().record_usage(session_id, usage)
        add_usage(self._totals["usage"], usage)

    def finish_session(self, result: SessionResult, metrics: Mapping[str, Any]) -> None:
        """Journal the end of a session, then append its line to sessions.jsonl and write its transcript."""
        line = encode(session_fields(result, metrics))
        super().finish_session(result, metrics)
        self._keep(_SESSIONS, line, result)

    def fail_session(self, failure: Failure) -> None:
        """Journal that a session failed, then append its line to failures.jsonl and write the transcript of its turns."""
        line = encode(failure_fields(failure))
        super().fail_session(failure)
        self._keep(_FAILURES, line, failure)

    def first_shard(self) -> int:
        """A number for new shards, larger than that of any shard of the folder. Raises `StorageError`."""
        _make_folder(self.path / SHARDS)
        return next_number(self.path)

    def open_shard(self, name: str, pid: int) -> None:
        """Journal that a replica has opened a shard."""
        self.journal.append("shard_opened", None, shard=name, pid=pid)

    def hand_out(self, session_id: str, shard: str) -> None:
        """Journal that the later events of a session are in a shard. Each shard gets a session at most once."""
        self.journal.append("handed_out", session_id, shard=shard)
        self.begun = True

    def take_back(self, end: End) -> None:
        """Append the line of a session whose end is in a shard, and write its transcript."""
        if isinstance(end, Failure):
            self._keep(_FAILURES, encode(failure_fields(end)), end)
        else:
            self._keep(_SESSIONS, encode(session_fields(end.result, end.metrics)), end.result)

    def close_shard(self, name: str) -> None:
        """Journal that only the present complete lines of a shard count. Raises `StorageError`."""
        path = shard_path(self.path, name)
        try:
            size = whole_size(path)
        except OSError as error:
            raise storage_error(path, "read", error, "all nodes must see the run folder at this path") from error
        self.journal.append("shard_closed", None, shard=name, size=size)

    def _keep(self, file: int, line: bytes, session: SessionResult | Failure) -> None:
        self._files.append(file, line)
        if self._room.acquire(blocking=False):
            self._transcripts.submit(self._write_waiting, session)
        else:  # too many are waiting: write this one here, so that they don't fill the memory
            self._write_transcript(session)
        self._totals["finished" if file == _SESSIONS else "failed"] += 1

    async def committed(self) -> None:
        """Wait until everything so far is on disk. Raises `StorageError`."""
        await self._files.committed()

    async def watch(self) -> None:
        """Wait for a write to fail, and raise its `StorageError`; never returns. Cancel it when the run is over."""
        await self._files.watch()

    def update(self, **changes: Any) -> None:
        """Change fields of run.json (`RunRecord`) and write it, totals included. Raises `StorageError`."""
        if unknown := changes.keys() - RunRecord.model_fields.keys():
            raise TypeError(f"run.json has no {sorted(unknown)}")
        self._record = RunRecord.model_validate({**dict(self.record), **changes})
        _write(self.path / "run.json", self._record)

    def end(self, status: RunStatus, **changes: Any) -> None:
        """Bring everything to disk, then write to run.json how the run ended; the last call before `close`.

        Raises `StorageError`.
        """
        self._transcripts.shutdown()
        self._files.commit().result()
        if shard_names(self.path):  # turns in replicas' shards were not counted here
            self._totals = totals_fields(load_progress(self.path).totals(self.record.totals.sessions))
        self.update(status=status, finished_at=datetime.now(UTC), **changes)

    def discard(self) -> None:
        """Undo `create` if no session has begun; keeps only the engines' logs. Raises `StorageError`."""
        self.close()
        try:
            shutil.rmtree(self.path / "transcripts")
            for name in (*_FILES, "run.json", LOCK):
                (self.path / name).unlink(missing_ok=True)
            for folder in (self.path / LOGS, self.path):
                with suppress(OSError):  # not empty, or missing
                    folder.rmdir()
        except OSError as error:
            raise storage_error(self.path, "clean", error, "remove the folder yourself") from error

    def close(self) -> None:
        """Bring everything to disk and release the lock; may be called twice. Raises `StorageError`."""
        try:
            self._transcripts.shutdown()
            self._files.close()
        finally:
            self._lock.release()

    def _write_waiting(self, session: SessionResult | Failure) -> None:
        self._write_transcript(session)
        self._room.release()

    def _write_transcript(self, session: SessionResult | Failure) -> None:
        try:
            _write_transcript(self.path, session)
        except StorageError as error:
            self._files.fail(error)
        except Exception as error:  # this thread has no caller to raise it to
            self._files.fail(StorageError(f"{_transcript_path(self.path, session)}: not written: {error!r}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def restore(path: Path, retry_failed: bool) -> tuple[Progress, tuple[str, ...]]:
    """Write the files that derive from the journal again; returns the progress and the sessions to retry.

    For a folder whose lock this process holds and that it has not opened. Raises `StorageError`, also if sessions.jsonl has
    sessions that the journal lacks, so that nothing is lost.
    """
    journal, sessions, failures = (path / name for name in _FILES)
    try:
        for file in (journal, sessions, failures):
            file.touch()
        cut(journal, whole_size(journal))
        close_shards(path)
        with replacing(sessions) as lines:

            def write_session(result: SessionResult, metrics: Mapping[str, Any]) -> None:
                lines.write(encode(session_fields(result, metrics)))
                _mend_transcript(path, result)

            _make_folder(path / "transcripts")
            progress = load_progress(path, write_session)
            _refuse_loss(sessions, progress.finished)
        retried = tuple(progress.failed) if retry_failed else ()
        progress.resume(retried)
        with replacing(failures) as lines:
            for session in progress.failed.values():
                if session.failure is not None:
                    lines.write(encode(failure_fields(session.failure)))
                    _mend_transcript(path, session.failure)
    except OSError as error:
        raise storage_error(path, "repair the files", error, "the old files are intact") from error
    return progress, retried


def _refuse_loss(sessions: Path, known: Collection[str]) -> None:
    lost = [name for name in whole_ids(sessions) if name not in known]
    if lost:
        message = f"has the end of {lost[0]}{f' and {len(lost) - 1} more' * (len(lost) > 1)}, which the journal lacks"
        remedy = f"restore the complete journal.jsonl, or: python -m harness repair {sessions.parent}"
        raise StorageError(f"{sessions}: {message}; {remedy}")


def _refuse_used(path: Path) -> None:
    try:
        names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")} - {LOGS}
    except OSError as error:
        raise storage_error(path, "read", error, "choose another run.dir") from error
    if "run.json" in names:
        remedy = f"resume it (python -m harness resume {path}) or choose another run.dir"
        raise StorageError(f"{path}: already holds a run; {remedy}")
    if names:
        raise StorageError(f"{path}: holds other files ({min(names)}, ...); choose a new or empty run.dir")


def _write(path: Path, record: RunRecord) -> None:
    try:
        write_whole(path, whole_json(record))
    except OSError as error:
        raise storage_error(path, "write", error, "fix this or choose another run.dir") from error


def _make_folder(folder: Path) -> None:
    try:
        if folder.is_symlink():  # in a foreign folder it may lead to the user's own files
            raise OSError(errno.ELOOP, "is a link, not a folder")
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise storage_error(folder, "make the folder", error, "fix this or choose another run.dir") from error


def _transcript_path(path: Path, session: SessionResult | Failure) -> Path:
    return path / "transcripts" / f"{session.spec.session_id}.md"


def _write_transcript(path: Path, session: SessionResult | Failure) -> None:
    """Write a transcript. Not durable, since it can be written again from the journal."""
    file = _transcript_path(path, session)
    try:
        write_whole(file, transcript(session).encode(), durable=False)
    except OSError as error:
        raise storage_error(file, "write", error, "fix this, then resume the run") from error


def _mend_transcript(path: Path, session: SessionResult | Failure) -> None:
    """Write a transcript that is missing, or that is outdated because the session continued after a kill."""
    file = _transcript_path(path, session)
    content = transcript(session).encode()
    if not (file.is_file() and file.stat().st_size == len(content) and read_bytes(file) == content):
        _write_transcript(path, session)
