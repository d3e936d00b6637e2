"""Plays runs that share their engines as one batch of sessions, on engines loaded once.

Invariants:
- A run's folder is opened just before its first session, and is complete and closed as soon as its last one has ended.
- A refused run does not affect the others; they share only the engines and the disk.
- The event loop never waits for the disk, a report or a metric.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from harness.engines.events import Learned, Listener, Notice, Paused, Restarted, Resumed
from harness.errors import HarnessError, StorageError
from harness.report.write import write_report
from harness.runs.clock import Clock
from harness.runs.counting import CountingRunner
from harness.runs.executor import Executor
from harness.runs.interrupts import STOPPING, handled_here, interruptible
from harness.runs.local import LocalExecutor
from harness.runs.opening import openings
from harness.runs.prepare import CheckedRun, OpenRun, sessions_left
from harness.runs.reporter import Reporter
from harness.runs.threads import whole
from harness.runs.tracking import Tracked, Tracking
from harness.runs.workers import run_all
from harness.sessions.loop import Session
from harness.store.metrics import write_metrics
from harness.store.records import RunRecord, RunStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    path: Path
    record: RunRecord
    interrupted: bool = False
    """Whether it was interrupted when its sessions had ended, while it was judged."""
    unjudged: bool = False
    """Whether its judge failed."""

    @property
    def status(self) -> RunStatus:
        return self.record.status

    @property
    def failed(self) -> int:
        """Sessions that failed."""
        return self.record.totals.failed

    @property
    def exit_code(self) -> int:
        if self.interrupted or self.status is RunStatus.INTERRUPTED:
            return 130
        return 1 if self.failed or self.unjudged or self.status is RunStatus.FAILED else 0


class Follower(Protocol):
    """Gets the progress of the runs of a batch. Called from a thread, for one run at a time."""

    def opened(self, run: CheckedRun, path: Path) -> None:
        """The run's folder is open, and its sessions are next."""
        ...

    def playing(self, run: CheckedRun, path: Path) -> None:
        """The run's engines are up."""
        ...

    def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
        """The run has ended, or can't be played. Returns whether the batch continues."""
        ...

    def abandoned(self) -> None:
        """The process ends at once; all complete turns are on disk. Called in the main thread."""
        ...


def play_batch(
    runs: Sequence[CheckedRun],
    reporter: Reporter,
    follower: Follower,
    *,
    log_dir: Path | None = None,
    signals: Sequence[signal.Signals] | None = None,
) -> signal.Signals | None:
    """Play runs that need the same engines; returns the signal that interrupted them, or None.

    `log_dir` is the folder for the engines' messages (default: in the folder of the first run). `signals` stop the batch in
    order (default: SIGINT and SIGTERM, or none outside the main thread, where Python can't handle them). Raises a
    `HarnessError` for an error that stops all runs, after the open ones were saved; runs of which `follower` was not told
    were not begun.
    """
    batch = Batch(runs, reporter, follower, log_dir)
    if signals is None:
        signals = handled_here(STOPPING)

    def first() -> None:
        reporter.say("interrupted: saving all complete turns; interrupt again to stop at once")

    try:
        interrupted = asyncio.run(interruptible(batch.play(), signals, first=first, second=batch.abandon))
    except BaseException as error:
        reporter.stop()
        batch.close(error)
        raise
    reporter.stop()
    batch.close(None)
    return interrupted


class Batch:
    """One batch; used by `play_batch`."""

    def __init__(
        self, runs: Sequence[CheckedRun], reporter: Reporter, follower: Follower, log_dir: Path | None
    ) -> None:
        self._runs = runs
        self._queue = iter(runs)
        self._reporter = reporter
        self._follower = follower
        self._log_dir = log_dir
        self._open: dict[CheckedRun, OpenRun] = {}
        self._left: dict[CheckedRun, Iterator[Session] | None] = {}
        """The remaining sessions of the open runs; None if there are none."""
        self._tracking: dict[CheckedRun, Tracking] = {}
        self._clocks: dict[CheckedRun, Clock] = {}
        self._telling = threading.Lock()
        self._ending: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        """The task that plays; None before and after."""
        self._halted = False
        self._finished: list[tuple[CheckedRun, Path]] = []

    async def play(self) -> None:
        """Play all runs. Raises `StorageError` or `EngineError`, with folders left open for `close`."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            await self._play()
        except asyncio.CancelledError:
            if not self._halted:
                raise
        finally:
            self._task = None  # a run that ends from here on has nothing left to halt
            try:
                await self._all_ended()
            finally:
                self._loop = None  # it is closed when `close` tells of the runs left

    def abandon(self) -> None:
        """Bring all complete turns to disk; the process is about to end."""
        for open_run in tuple(self._open.values()):  # a run that ends meanwhile leaves them, in its thread
            try:
                open_run.folder.close()
            except StorageError as error:
                self._reporter.say(f"error: {error}")
        self._follower.abandoned()

    def close(self, error: BaseException | None) -> None:
        """End the runs that `error` or a signal interrupted, and report them."""
        while self._open:
            run = next(iter(self._open))
            try:
                self._tell(run, self._stopped(run, error))
            except StorageError as broken:
                self._tell(run, broken)

    async def _play(self) -> None:
        first = await self._next()  # before an engine loads, so that a refused folder costs no loading
        if first is None and not any(run.spec.judge is not None for run, _ in self._finished):
            return  # nothing to play or to judge
        logs = self._log_dir or (self._open[first].folder.path if first else self._finished[0][1]) / "logs"
        async with _executor(self._runs, self._reporter, logs, self._noticed) as executor:
            if first is not None:
                await self._play_from(first, executor)
            await self._judge(executor)

    async def _play_from(self, first: CheckedRun, executor: Executor) -> None:
        """Play a run that is open, and all that follow it."""
        runner = await self._runner(first, executor)
        limit, why = executor.concurrency()
        planned = sum(run.spec.sessions for run in self._runs)
        if limit > planned:
            limit, why = max(planned, 1), "all there are"
        self._reporter.say(f"sessions in flight: {limit} ({why})")
        for line in dict.fromkeys(line for run in self._runs for line in openings(run.spec)):
            self._reporter.say(line)
        self._reporter.start(
            planned,
            done=sum(run.done for run in self._runs),
            most_turns=sum(2 * run.spec.sessions * run.spec.config.max_exchanges for run in self._runs),
        )
        await run_all(self._sessions(runner, executor), limit)
        await self._all_ended()

    async def _judge(self, executor: Executor) -> None:
        """Judge the runs that have a judge, on the loaded engines."""
        if isinstance(executor, LocalExecutor):
            first: Path | None = None
            for run, path in self._finished:
                if run.spec.judge is not None:
                    from harness.runs.judging import judge_at_end  # most runs have no judge

                    await judge_at_end(path, run.spec.judge, executor.pool, self._reporter, first)
                    first = first or path

    def _noticed(self, notice: Notice) -> None:
        """Show an engine's notice; one that concerns all sessions is also journalled in every open run.

        A notice about one request also comes with its answer, and is journalled with its turn.
        """
        self._reporter.notice(notice)
        match notice:
            case Paused(probes=0):
                event = "engine_away"
            case Resumed():
                event = "engine_back"
            case Restarted():
                event = "engine_restarted"
            case Learned():
                event = "engine_learned"
            case _:
                return
        for open_run in tuple(self._open.values()):
            with suppress(StorageError):  # the run's own writes raise it again; the engine must not fail for it
                open_run.folder.journal.append(event, None, **asdict(notice))

    async def _sessions(
        self, runner: CountingRunner | None, executor: Executor
    ) -> AsyncIterator[tuple[CountingRunner, Session]]:
        """All sessions of all runs, run after run."""
        while True:
            if runner is not None:
                for session in runner.left():
                    yield runner, session
            run = await self._next()
            if run is None:
                return
            runner = await self._runner(run, executor)

    async def _next(self) -> CheckedRun | None:
        """The next run whose folder can be opened and that has sessions left; None if there is none."""
        for run in self._queue:
            if await whole(self._opened, run):
                if self._left[run] is not None:
                    return run
                await whole(self._finish_idle, run)
        return None

    def _finish_idle(self, run: CheckedRun) -> None:
        """End a run that has no sessions left; this needs no engine."""
        totals = self._open[run].folder.record.totals
        failed = f", {totals.failed} failed; --retry-failed continues these" if totals.failed else ""
        self._reporter.say(f"nothing is left to play: {totals.finished}/{totals.sessions} sessions finished{failed}")
        self._finish(run)

    def _opened(self, run: CheckedRun) -> bool:
        try:
            self._open[run] = open_run = run.open()
        except HarnessError as error:
            self._tell(run, error)
            return False
        self._tracking[run] = tracking = Tracking(run.spec.config.trackers, self._reporter.say)
        tracking.started(open_run.folder.record, open_run.folder.path)
        self._follower.opened(run, open_run.folder.path)
        try:
            left = sessions_left(open_run)
            session = next(left, None)
        except HarnessError as error:
            self._refuse(run, error)
            return False
        self._left[run] = None if session is None else chain([session], left)
        return True

    async def _runner(self, run: CheckedRun, executor: Executor) -> CountingRunner | None:
        """The runner of a run; None if the run is refused."""
        open_run = self._open[run]
        clock = self._clocks[run] = Clock()
        runner = await executor.runner(run, open_run, Tracked(self._reporter, self._tracking[run]))
        if isinstance(runner, HarnessError):
            await whole(self._refuse, run, runner)
            return None
        clock.loaded()
        await whole(self._follower.playing, run, open_run.folder.path)
        left = self._left.pop(run) or iter(())
        return CountingRunner(runner, left, partial(self._over, run, executor))

    def _refuse(self, run: CheckedRun, error: HarnessError) -> None:
        self._failed(run, error)
        self._tell(run, error)

    def _over(self, run: CheckedRun, executor: Executor) -> None:
        """End a run whose last session has ended."""
        executor.over(self._open[run])
        task = asyncio.ensure_future(asyncio.to_thread(self._finish, run))
        self._ending.add(task)

    def _finish(self, run: CheckedRun) -> None:
        try:
            end: Outcome | HarnessError = self._end(run, RunStatus.FINISHED)
        except HarnessError as error:
            end = error
        except Exception as error:  # a defect in a metric fails its own run only
            end = HarnessError(f"defect in the harness: {error!r}")
        self._tell(run, end)

    def _end(self, run: CheckedRun, status: RunStatus) -> Outcome:
        """Bring a run to disk, with metrics and report if it finished. Raises `StorageError`."""
        folder, tracking = self._open[run].folder, self._tracking.pop(run)
        clock = self._clocks.pop(run, None)
        metrics: Mapping[str, Any] | None = None
        try:
            folder.end(status, **({"timings": clock.added_to(folder.record.timings)} if clock else {}))
        finally:
            del self._open[run]
            folder.close()
        if status is RunStatus.FINISHED:
            (folder.path / "scores.jsonl").touch()  # empty without a judge, but never missing
            metrics = write_metrics(folder.path)
            write_report(folder.path)
            if not run.is_over:
                self._finished.append((run, folder.path))
        tracking.finished(folder.record, metrics)
        tracking.close()
        return Outcome(folder.path, folder.record)

    def _stopped(self, run: CheckedRun, error: BaseException | None) -> Outcome | HarnessError:
        return self._failed(run, error) if isinstance(error, HarnessError) else self._end(run, RunStatus.INTERRUPTED)

    def _failed(self, run: CheckedRun, error: HarnessError) -> Outcome | HarnessError:
        """End a run that can't continue. A run without a turn leaves no folder. Raises `StorageError`."""
        folder = self._open[run].folder
        if folder.begun:
            return self._end(run, RunStatus.FAILED)
        tracking = self._tracking.pop(run)
        tracking.finished(folder.record, None)
        tracking.close()
        del self._open[run]
        folder.discard()
        return error

    def _tell(self, run: CheckedRun, end: Outcome | HarnessError) -> None:
        with self._telling:
            goes_on = self._follower.ended(run, end)
        if not goes_on and not self._halted and self._loop is not None:
            self._halted = True
            self._loop.call_soon_threadsafe(self._halt)

    def _halt(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _all_ended(self) -> None:
        """Wait for the runs that are being ended, so that they are not ended twice."""
        if self._ending:
            await asyncio.wait(self._ending)
        for task in self._ending:
            task.result()


def _executor(runs: Sequence[CheckedRun], reporter: Reporter, log_dir: Path, listener: Listener) -> Executor:
    """The executor in the configs of `runs`, which is the same in all of them.

    `log_dir` is the folder for the engines' messages; `listener` gets their notices.
    """
    if runs[0].spec.config.executor.kind == "ray":
        from harness.runs.ray.fleet import RayExecutor

        return RayExecutor(runs, reporter, log_dir, listener)
    return LocalExecutor(runs, reporter, log_dir, listener)
