"""Many sessions at once: bounded concurrency, isolation of failures, orderly cancellation.

Invariants:
- One session's failure never touches another; only what concerns all of them (nothing can be kept any more, or the
  engine is gone for good) stops a run.
- At most `limit` sessions are in flight, so memory does not grow with the length of the plan.
- A cancelled run drops the turns in flight and keeps every whole one.
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
    """Plays sessions and keeps their failures."""

    async def play(self, session: Session) -> Session | None:
        """Play to the end, keep the result, and say which session of its course follows it.

        Raises what made the session fail.
        """
        ...

    def failed(self, failure: Failure) -> None: ...


async def run_all(jobs: AsyncIterator[tuple[SessionRunner, Session]], limit: int) -> None:
    """Play every session with its runner, and those that follow it in its course, at most `limit` at a time.

    Raises `StorageError` or `EngineUnavailable`, or the `HarnessError` that `jobs` ends with, after cancelling what is
    in flight.
    """
    turn = asyncio.Lock()
    workers = 1

    async def worker() -> None:
        nonlocal workers
        following: Session | None
        while True:
            async with turn:
                job = await anext(jobs, None)
                await asyncio.sleep(0)  # one a round of the loop, so that first requests leave while others are made
            if job is None:
                return
            if workers < limit:  # one more only while there is work, so that a huge limit costs nothing
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
    """Make the garbage collector run less often, and skip what was loaded before the sessions.

    Live sessions are no garbage, and what they leave holds few cycles: its rounds took a seventh of a run's CPU.
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
    """One session; the one that follows it. What it raises becomes its `Failure`, and nothing follows that."""
    try:
        return await runner.play(session)
    except (StorageError, EngineUnavailable):
        raise
    except Exception as error:  # a defect costs its own course only, and is recorded with its class
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
