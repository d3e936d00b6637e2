"""Which failures are worth another attempt, and for how long."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harness.engines.events import Notice, Retried
from harness.engines.openai.retry import (
    AttemptFailed,
    EmptyAnswer,
    Patience,
    SlowDown,
    Transient,
    asked_pause,
    failure,
    loss,
    patience_for,
    persist,
    retry_after,
    told_pause,
)
from harness.errors import RequestRejected
from harness.types import FinishReason, Generation

GOOD = Generation("yes", (), FinishReason.STOP, 1, 1)
QUICK = Patience(deadline_s=5.0, attempts=4, first_wait_s=0.001, longest_wait_s=0.002)


class Script:
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
    ("status", "pause_s", "kind"),
    [
        (429, None, SlowDown),
        (503, 1.0, SlowDown),
        (503, None, Transient),
        (500, None, Transient),
        (408, None, Transient),
        *((status, None, type(None)) for status in (400, 401, 403, 404, 422)),
    ],
)
def test_statuses_are_told_apart(status: int, pause_s: float | None, kind: type) -> None:
    assert type(failure(status, pause_s, "")) is kind


def test_retry_after_may_be_seconds_or_a_date_and_nonsense_says_nothing() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after("1.5") == 1.5
    assert 28 < (retry_after(soon) or 0) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    nonsense = ("-5", "nan", "inf", "1e30", "99999999", "later", "", "Wed, 21 Oct 99999 07:28:00 GMT", "9" * 5000)
    assert [retry_after(value) for value in (*nonsense, None)] == [None] * (len(nonsense) + 1)
    assert asked_pause({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    assert asked_pause({"retry-after": "7"}) == 7.0
    assert asked_pause({}) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached. Please try again in 7.66s. Visit ...", 7.66),
        ("Please try again in 6m0s.", 360.0),
        ("please try again in 20ms", 0.02),
        ("Please retry in 1h2m3s", 3723.0),
        ("Please try again in a moment.", None),
        ("You exceeded your current quota", None),
    ],
)
def test_a_pause_may_stand_in_the_words(text: str, seconds: float | None) -> None:
    assert told_pause(text) == seconds


async def test_all_who_are_asked_to_slow_down_come_back_one_after_the_other() -> None:
    waits: list[float] = []

    def seen(notice: Notice) -> None:
        assert isinstance(notice, Retried)
        waits.append(notice.wait_s)

    slow = Patience(deadline_s=5.0, first_wait_s=0.01, longest_wait_s=0.02)
    for _ in range(20):
        await persist(Script(SlowDown("b", 0.002)), slow, "r", seen)
    assert all(0.002 <= wait <= 0.04 for wait in waits)
    assert len(set(waits)) == len(waits)


def test_patience_loses_nothing_at_a_fifth_of_failures() -> None:
    """The former limits (8 attempts, 3 empty answers, 3 time-outs) lost a session in most runs of 10,000 requests."""
    for timeout_s in (0.5, 2.0, 600.0):
        assert 10_000 * loss(0.2, 7, patience_for(timeout_s), timeout_s) < 1e-3
        former = Patience(deadline_s=max(120.0, 3 * timeout_s), attempts=8, empties=3)
        assert 10_000 * loss(0.2, 7, former, timeout_s) > 0.3


async def test_faults_of_the_moment_are_tried_again_up_to_a_bound() -> None:
    script = Script(Transient("a"), SlowDown("b", 0.0), EmptyAnswer("c"))
    assert await persist(script, QUICK, "r") is GOOD
    script = Script(for_ever=lambda: Transient("for ever"))
    with pytest.raises(Transient):
        await persist(script, QUICK, "r")
    assert script.calls == 4


async def test_a_permanent_refusal_is_not_tried_again() -> None:
    script = Script(RequestRejected("no"))
    with pytest.raises(RequestRejected):
        await persist(script, QUICK, "r")
    assert script.calls == 1


async def test_being_slowed_down_is_endured_longer_than_faults_but_not_past_the_deadline() -> None:
    assert await persist(Script(*(SlowDown("b", 0.0) for _ in range(20))), QUICK, "r") is GOOD
    began = time.monotonic()
    with pytest.raises(AttemptFailed):
        await persist(Script(for_ever=lambda: SlowDown("b", 60.0)), QUICK, "r")
    assert time.monotonic() - began < 60.0  # it does not wait for what lies past the deadline


async def test_the_deadline_counts_from_the_first_attempt_on() -> None:
    async def slow(empties: int) -> Generation:
        await asyncio.sleep(0.06)
        return await script(empties)

    script = Script(for_ever=lambda: SlowDown("b", 0.0))
    with pytest.raises(SlowDown):
        await asyncio.wait_for(persist(slow, Patience(deadline_s=0.05, first_wait_s=0.001), "r"), 5.0)
    assert script.calls == 1
    with pytest.raises(SlowDown):
        await asyncio.wait_for(persist(slow, Patience(deadline_s=0.15, first_wait_s=0.001), "r"), 5.0)
    assert 2 <= script.calls - 1 <= 3
