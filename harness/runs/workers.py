"""Plays many sessions at once: bounded concurrency, isolation of failures, orderly cancellation.

Invariants:
- A session's failure never affects another session. A run stops only for an error that concerns all of them: the disk
  can't be written, or the engine is gone permanently.
- At most `limit` sessions are in flight, so memory does not grow with the length of the plan.
- A cancelled run discards the turns in flight and keeps every complete one.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol

from harness.errors import EngineUnavailable, HarnessError, StorageError
from harness.sessions.loop import Session
from harness.types import Failure


class SessionRunner(Protocol):
    """Plays sessions and records their failures."""

    async def play(self, session: Session) -> Session | None:
        """Play to the end and record the result; returns the next session of its course, or None.

        Raises the error that made the session fail.
        """
        ...

    def failed(self, failure: Failure) -> None: ...


async def run_all(jobs: AsyncIterator[tuple[SessionRunner, Session]], limit: int) -> None:
    """Play every session with its runner, then those that follow it in its course, at most `limit` at a time.

    Raises `StorageError`, `EngineUnavailable`, or the `HarnessError` that `jobs` raises, after cancelling all sessions in
    flight.
    """
    turn = asyncio.Lock()
    workers = 1

    async def worker() -> None:
        nonlocal workers
        following: Session | None
        while True:
            async with turn:
                job = await anext(jobs, None)
                await asyncio.sleep(
                    0
                )  # start one session per round, so that its first request leaves before the next starts
            if job is None:
                return
            if workers < limit:  # add a worker only while there is work, so that a huge limit costs nothing
                workers += 1
                group.create_task(worker())
            runner, following = job
            while following is not None:
                following = await isolated(runner, following)

    try:
        with few_collections():
            async with asyncio.TaskGroup() as group:
                group.create_task(worker())
    except* HarnessError as errors:
        raise _first(errors) from None


@contextmanager
def few_collections() -> Iterator[None]:
    """Run the garbage collector less often, and exclude objects that were loaded before the sessions.

    Live sessions are not garbage and finished ones leave few cycles, but collections took a seventh of a run's CPU.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _first(errors: BaseExceptionGroup[HarnessError]) -> HarnessError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def isolated(runner: SessionRunner, session: Session) -> Session | None:
    """Play one session; returns the next of its course. An exception becomes its `Failure`, and the course ends."""
    try:
        return await runner.play(session)
    except (StorageError, EngineUnavailable):
        raise
    except Exception as error:  # a defect fails its own course only, and is recorded with its class
        runner.failed(failure(session, error))
        return None


def failure(session: Session, error: Exception) -> Failure:
    """A session's error as data."""
    where = f"{session.speaker()}/{len(session.turns)}"
    message = str(error) if isinstance(error, HarnessError) else f"defect in the harness: {error!r}"
    if session.rest:
        follow = "session that follows" if len(session.rest) == 1 else f"{len(session.rest)} sessions that follow"
        message += f"; not played: the {follow} it in its course"
    return Failure(session.spec, type(error).__name__, message, where, tuple(session.turns))
