"""Many sessions at once: bounded concurrency, isolation of failures, orderly cancellation.

Invariants:
- One session's failure never touches another; only a `StorageError` (nothing can be kept any more) stops a run.
- At most `limit` sessions are in flight, so memory does not grow with the length of the plan.
- A cancelled run drops the turns in flight and keeps every whole one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from harness.errors import EngineError, HarnessError, StorageError
from harness.session import Session
from harness.types import Failure, SessionResult


class Outcomes(Protocol):
    """Who takes the sessions that came to an end, one way or the other."""

    def finished(self, session: Session, result: SessionResult) -> None: ...

    def failed(self, failure: Failure) -> None: ...


async def run_all(
    sessions: Iterable[Session],
    play: Callable[[Session], Awaitable[SessionResult]],
    limit: int,
    outcomes: Outcomes,
) -> None:
    """Play every session, at most `limit` at a time. Raises `StorageError`, or `CancelledError` when interrupted."""
    waiting = iter(sessions)

    async def worker() -> None:
        for session in waiting:
            await _isolated(session, play, outcomes)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(limit):
                group.create_task(worker())
    except* StorageError as errors:
        raise errors.exceptions[0] from None


async def _isolated(
    session: Session, play: Callable[[Session], Awaitable[SessionResult]], outcomes: Outcomes
) -> None:
    """One session; what it raises becomes its `Failure`."""
    try:
        result = await play(session)
    except StorageError:
        raise
    except Exception as error:  # a defect must cost its own session only; it is recorded with its class
        outcomes.failed(failure(session, error))
    else:
        outcomes.finished(session, result)


def failure(session: Session, error: Exception) -> Failure:
    """A session's error as data."""
    where = f"{session.speaker()}/{len(session.turns)}"
    known = isinstance(error, HarnessError | EngineError)
    message = str(error) if known else f"defect in the harness: {error!r}"
    return Failure(session.spec, type(error).__name__, message, where, tuple(session.turns))
