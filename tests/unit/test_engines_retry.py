"""Which failures are worth another attempt, and for how long."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harness.engines.openai.retry import (
    AttemptFailed,
    EmptyAnswer,
    Patience,
    SlowDown,
    Transient,
    failure,
    persist,
    retry_after,
)
from harness.errors import RequestRejected
from harness.types import FinishReason, Generation

GOOD = Generation("yes", (), FinishReason.STOP, 1, 1)
QUICK = Patience(deadline_s=5.0, attempts=4, first_wait_s=0.001, longest_wait_s=0.002)


class RunSpec:
    """Fails as told, then answers."""

    def __init__(self, *errors: Exception, for_ever: Callable[[], Exception] | None = None) -> None:
        self._errors, self._for_ever, self.calls = list(errors), for_ever, 0

    async def __call__(self, empties: int) -> Generation:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        if self._for_ever is not None:
            raise self._for_ever()
        return GOOD


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (429, {}, SlowDown),
        (503, {"Retry-After": "1"}, SlowDown),
        (503, {}, Transient),
        (500, {}, Transient),
        (408, {}, Transient),
        *((status, {}, type(None)) for status in (400, 401, 403, 404, 422)),
    ],
)
def test_statuses_are_told_apart(status: int, headers: dict[str, str], kind: type) -> None:
    assert type(failure(status, headers, "")) is kind


def test_retry_after_may_be_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after("1.5") == 1.5
    assert retry_after("-3") == 0.0
    assert 28 < (retry_after(soon) or 0) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("later") is None
    assert retry_after(None) is None


async def test_faults_of_the_moment_are_tried_again_up_to_a_bound() -> None:
    script = RunSpec(Transient("a"), SlowDown("b", 0.0), EmptyAnswer("c"))
    assert await persist(script, QUICK, "r") is GOOD
    script = RunSpec(for_ever=lambda: Transient("for ever"))
    with pytest.raises(Transient):
        await persist(script, QUICK, "r")
    assert script.calls == 4


async def test_a_permanent_refusal_is_not_tried_again() -> None:
    script = RunSpec(RequestRejected("no"))
    with pytest.raises(RequestRejected):
        await persist(script, QUICK, "r")
    assert script.calls == 1


async def test_being_slowed_down_is_endured_longer_than_faults_but_not_past_the_deadline() -> None:
    assert await persist(RunSpec(*(SlowDown("b", 0.0) for _ in range(20))), QUICK, "r") is GOOD
    began = time.monotonic()
    with pytest.raises(AttemptFailed):
        await persist(RunSpec(for_ever=lambda: SlowDown("b", 60.0)), QUICK, "r")
    assert time.monotonic() - began < 60.0  # it does not wait for what lies past the deadline


async def test_the_deadline_counts_from_the_first_attempt_on() -> None:
    async def slow(empties: int) -> Generation:
        await asyncio.sleep(0.06)
        return await script(empties)

    script = RunSpec(for_ever=lambda: SlowDown("b", 0.0))
    with pytest.raises(SlowDown):
        await asyncio.wait_for(persist(slow, Patience(deadline_s=0.05), "r"), 5.0)
    assert script.calls == 1
    with pytest.raises(SlowDown):
        await asyncio.wait_for(persist(slow, Patience(deadline_s=0.15), "r"), 5.0)
    assert 2 <= script.calls - 1 <= 3
