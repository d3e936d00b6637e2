"""Which failures of a server are worth another attempt, how long to wait, and when to give up.

Invariants:
- A permanent refusal is never sent twice.
- What a server asks for in Retry-After is honoured, within the deadline.
- A request ends within its deadline, plus one attempt.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential
from tenacity.stop import stop_base

from harness.engines.events import Listener, Retried, ignore
from harness.errors import EngineError
from harness.types import Generation

_SLOW_DOWN = frozenset({429})
_TRANSIENT = frozenset({408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


class AttemptFailed(EngineError):
    """One attempt failed in a way that another may not."""


class SlowDown(AttemptFailed):
    """The server has too much to do; `wait_s` is what it asked for, or None."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Transient(AttemptFailed):
    """A fault of the moment: a 5xx, a time-out, a reset, an answer cut off or of the wrong kind."""


class EmptyAnswer(AttemptFailed):
    """A well-formed answer without text."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How much to put up with for one request."""

    deadline_s: float
    """No new attempt starts later than this."""
    attempts: int = 8
    """Most attempts that may fail by transient faults; being asked to slow down does not count."""
    empties: int = 3
    """Most empty answers."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0


def failure(status: int, headers: Mapping[str, str], reason: str) -> AttemptFailed | None:
    """What an HTTP status is worth: an `AttemptFailed` to retry, or None for a permanent refusal."""
    wait_s = retry_after(headers.get("Retry-After"))
    if status in _SLOW_DOWN or (status == 503 and wait_s is not None):
        return SlowDown(reason, wait_s)
    if status in _TRANSIENT or status >= 500:
        return Transient(reason)
    return None


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; None where it says nothing."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


async def persist(
    attempt: Callable[[int], Awaitable[Generation]],
    patience: Patience,
    request_id: str,
    listener: Listener = ignore,
) -> Generation:
    """Call `attempt(number of empty answers so far)` until it answers, is refused for good, or patience ends.

    Raises the last `AttemptFailed` when patience ends; other errors pass at once.
    """
    tally = _Tally(patience, time.monotonic())
    try:
        return await attempt(0)
    except AttemptFailed as error:
        failed: AttemptFailed | None = error

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        listener(Retried(request_id, str(error), state.attempt_number, wait_s))

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(AttemptFailed),
        wait=tally.wait,
        stop=tally,
        before_sleep=report,
        sleep=asyncio.sleep,
        reraise=True,
    )

    async def once() -> Generation:
        nonlocal failed
        if failed is not None:  # tenacity is told of the first attempt only where it failed: most don't, and it costs
            error, failed = failed, None
            raise error
        return await attempt(tally.empties)

    return await retrying(once)


class _Tally(stop_base):
    """Counts one request's failures by kind, for tenacity's wait and stop."""

    def __init__(self, patience: Patience, began: float) -> None:
        self._patience = patience
        self._began = began
        self._backoff = wait_random_exponential(patience.first_wait_s, patience.longest_wait_s)
        self.empties = 0
        self._faults = 0

    def wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, SlowDown) and error.wait_s is not None:
            return error.wait_s
        return self._backoff(state)

    def __call__(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, EmptyAnswer):
            self.empties += 1
        elif not isinstance(error, SlowDown):
            self._faults += 1
        spent = time.monotonic() - self._began + state.upcoming_sleep
        return (
            self.empties >= self._patience.empties
            or self._faults >= self._patience.attempts
            or spent > self._patience.deadline_s
        )
