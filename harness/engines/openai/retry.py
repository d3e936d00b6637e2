"""Which failures of a server are worth another attempt, how long to wait, and when to give up.

The limits are each so wide that together they lose nothing: `loss` says how likely it is that they do.

Invariants:
- A permanent refusal is never sent twice.
- What a server asks for in Retry-After is honoured, within the deadline, and never all at once.
- A request ends within its deadline, plus one attempt.
"""

import asyncio
import math
import random
import re
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
_TRANSIENT = frozenset({408, 409, 425})
LONGEST_ASKED_S = 24 * 3600.0
"""A server that asks for a longer pause means something else."""
_PAUSE = re.compile(r"(?:again|retry) in (?:(\d{1,3})h)?\s?(?:(\d{1,4})m(?!s))?\s?(?:(\d{1,6}(?:\.\d{1,9})?)(ms|s))?")
_JITTER = 0.25


class AttemptFailed(EngineError):
    """One attempt failed in a way that another may not. `short` says how, without the server's own words."""

    def __init__(self, short: str, told: str = "") -> None:
        super().__init__(f"{short}: {told}" if told else short)
        self.short = short


class SlowDown(AttemptFailed):
    """The server has too much to do; `wait_s` is what it asked for, or None."""

    def __init__(self, short: str, wait_s: float | None = None, told: str = "") -> None:
        super().__init__(short, told)
        self.wait_s = wait_s


class Transient(AttemptFailed):
    """A fault of the moment: a 5xx, a time-out, a reset, an answer cut off or of the wrong kind."""


class EmptyAnswer(AttemptFailed):
    """An answer of no use, though it is well-formed."""


class NoWords(EmptyAnswer):
    """One without text; `answer` is what it comes to when patience ends, as of any other engine."""

    def __init__(self, short: str, answer: Generation) -> None:
        super().__init__(short)
        self.answer = answer


class TooLong(EmptyAnswer):
    """An answer that is longer than it can be: of no more use than an empty one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How much to put up with for one request."""

    deadline_s: float
    """No new attempt starts later than this."""
    attempts: int = 10
    """Most attempts that may fail by transient faults; being asked to slow down does not count."""
    empties: int = 6
    """Most empty answers; the last one is handed on, for the session to ask again with a note."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0


HANGS = 8
"""So many attempts of a request may hang until their time-out before its deadline."""


def patience_for(timeout_s: float) -> Patience:
    """Patience whose deadline no few time-outs in a row can reach."""
    return Patience(deadline_s=HANGS * timeout_s + 300.0)


def loss(share: float, kinds: int, patience: Patience, timeout_s: float) -> float:
    """Upper bound of the likelihood that one request is lost, where a `share` of all attempts fails in one of `kinds`
    ways, each as often and independently, of which one is a plea to slow down, one an empty answer and one a hang.

    A limit of n failures of a kind that comes with likelihood p is reached before the first success with
    (p / (p + 1 - share)) ** n (negative binomial; other failures between them don't matter). A request is lost when one
    of the three limits is: their sum bounds it. With a fifth failing in 7 ways it is 8e-9, so of 10,000 requests one
    is lost in 1 of 12,000 runs.
    """
    one, good = share / kinds, 1.0 - share

    def reached(likelihood: float, limit: int) -> float:
        return (likelihood / (likelihood + good)) ** limit

    hangs = int(patience.deadline_s // timeout_s)
    return reached(share - 2 * one, patience.attempts) + reached(one, patience.empties) + reached(one, hangs)


def failure(status: int, pause_s: float | None, short: str, told: str = "") -> AttemptFailed | None:
    """What an HTTP status is worth: an `AttemptFailed` to retry, or None for a permanent refusal.

    `pause_s` is how long the server asks to wait, `told` are its own words.
    """
    if status in _SLOW_DOWN or (status == 503 and pause_s is not None):
        return SlowDown(short, pause_s, told)
    if status in _TRANSIENT or status >= 500:
        return Transient(short, told)
    return None


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server's headers ask to wait; `headers` have names in lower case."""
    fine = retry_after(headers.get("retry-after-ms"))
    return retry_after(headers.get("retry-after")) if fine is None else fine / 1000


def told_pause(text: str) -> float | None:
    """Seconds that a server's words ask to wait, as `try again in 1m2.5s`; None where they don't."""
    match = _PAUSE.search(text)
    if match is None or not any(match.groups()):
        return None
    hours, minutes, number, unit = match.groups()
    seconds = float(number or 0) / (1000 if unit == "ms" else 1)
    return _sensible(int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds)


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; None where it says nothing sensible."""
    if value is None:
        return None
    try:
        return _sensible(float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
        left = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return _sensible(max(0.0, left))


def _sensible(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and 0.0 <= seconds <= LONGEST_ASKED_S else None


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
        reason = error.short if isinstance(error, AttemptFailed) else str(error)
        listener(Retried(request_id, reason, state.attempt_number, wait_s))

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
        """Seconds to the next attempt; what the server asked for and a random rest, or all who wait come at once."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, SlowDown) and error.wait_s is not None:
            return error.wait_s + max(self._backoff(state), random.uniform(0.0, _JITTER * error.wait_s))
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
