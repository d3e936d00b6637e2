"""Which failures of a server to retry, how long to wait, and when to give up.

The limits are so wide that practically no request is lost; `loss` computes the probability.

Invariants:
- A permanent refusal is never retried.
- Retry-After is honoured, within the deadline, with a random extra so that not all requests return at once.
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
"""A longer pause is taken as a mistake and ignored."""
_PAUSE = re.compile(r"(?:again|retry) in (?:(\d{1,3})h)?\s?(?:(\d{1,4})m(?!s))?\s?(?:(\d{1,6}(?:\.\d{1,9})?)(ms|s))?")
_JITTER = 0.25


class AttemptFailed(EngineError):
    """One attempt failed, and another may succeed. `short` says how it failed, without the server's own words."""

    def __init__(self, short: str, told: str = "") -> None:
        super().__init__(f"{short}: {told}" if told else short)
        self.short = short


class SlowDown(AttemptFailed):
    """The server is overloaded; `wait_s` is the pause that it asked for, or None."""

    def __init__(self, short: str, wait_s: float | None = None, told: str = "") -> None:
        super().__init__(short, told)
        self.wait_s = wait_s


class Transient(AttemptFailed):
    """A transient fault: a 5xx, a time-out, a reset, an answer cut off or of the wrong kind."""


class EmptyAnswer(AttemptFailed):
    """A well-formed answer that can't be used."""


class NoWords(EmptyAnswer):
    """An answer without text. `answer` is returned when all retries are used, as on any other engine."""

    def __init__(self, short: str, answer: Generation) -> None:
        super().__init__(short)
        self.answer = answer


class TooLong(EmptyAnswer):
    """An answer longer than `max_new_tokens` allows; treated as an empty one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits for retrying one request."""

    deadline_s: float
    """Seconds after which no new attempt starts."""
    attempts: int = 10
    """Most attempts that may fail by transient faults; requests to slow down do not count."""
    empties: int = 6
    """Most empty answers; the last one is returned, and the session asks again with a note to the model."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0


HANGS = 8
"""Number of attempts that may run into their time-out before the deadline of a request."""


def patience_for(timeout_s: float) -> Patience:
    """Limits whose deadline leaves room for `HANGS` time-outs."""
    return Patience(deadline_s=HANGS * timeout_s + 300.0)


def loss(share: float, kinds: int, patience: Patience, timeout_s: float) -> float:
    """Upper bound of the probability that one request is lost, if a `share` of all attempts fails, independently.

    Failures have `kinds` equally frequent kinds; one of them is a request to slow down, one an empty answer, one a hang.

    Let p be the probability of one kind. The probability of n such failures before the first success is
    (p / (p + 1 - share)) ** n (negative binomial; other failures in between don't matter). A request is lost if one of
    the three limits is reached, so the sum of their probabilities is a bound. If a fifth fails in 7 ways, it is 8e-9: of
    10,000 requests, one is lost in 1 of 12,000 runs.
    """
    one, good = share / kinds, 1.0 - share

    def reached(likelihood: float, limit: int) -> float:
        return (likelihood / (likelihood + good)) ** limit

    hangs = int(patience.deadline_s // timeout_s)
    return reached(share - 2 * one, patience.attempts) + reached(one, patience.empties) + reached(one, hangs)


def failure(status: int, pause_s: float | None, short: str, told: str = "") -> AttemptFailed | None:
    """The `AttemptFailed` for an HTTP status, or None if the refusal is permanent.

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
    """Seconds that a server's words ask to wait, such as `try again in 1m2.5s`; None if they don't."""
    match = _PAUSE.search(text)
    if match is None or not any(match.groups()):
        return None
    hours, minutes, number, unit = match.groups()
    seconds = float(number or 0) / (1000 if unit == "ms" else 1)
    return _sensible(int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds)


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which gives seconds or an HTTP date; None if it is not sensible."""
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
    """Call `attempt(number of empty answers so far)` until it answers, is refused permanently, or a limit is reached.

    Raises the last `AttemptFailed` if a limit is reached; other errors pass through at once.
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
        if failed is not None:  # most first attempts succeed, and skip the cost of tenacity
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
        """Seconds to the next attempt: what the server asked for, plus a random extra so that not all return at once."""
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
