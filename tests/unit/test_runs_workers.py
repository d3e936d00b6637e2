"""Many sessions at once: how they start, how many there are, what a failure costs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

from harness.errors import EngineError
from harness.runs.workers import run_all
from harness.sessions.loop import Session
from harness.sessions.plan import plan
from harness.types import Failure


class SessionRunner:
    """Plays sessions by a function, and notes failures."""

    def __init__(self, playing: Callable[[str], Coroutine[None, None, None]]) -> None:
        self._playing = playing
        self.failures: list[Failure] = []

    async def play(self, session: Session) -> Session | None:
        await self._playing(session.spec.session_id)
        return None

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)

    async def sessions(self, number: int) -> AsyncIterator[tuple["SessionRunner", Session]]:
        for specs in plan(["a"], number, 0, 1):
            yield self, Session(specs[0])


async def test_each_session_sends_its_first_request_before_the_next_one_starts() -> None:
    steps: list[str] = []

    async def playing(name: str) -> None:
        steps.append(name)  # makes its first prompt
        await asyncio.sleep(0)
        steps.append(name)  # the task that sends it has run

    await run_all(SessionRunner(playing).sessions(5), 5)
    assert steps[::2] == steps[1::2]
    assert len(set(steps)) == 5


async def test_no_more_than_the_limit_are_in_flight() -> None:
    flying: set[str] = set()
    most = 0

    async def playing(name: str) -> None:
        nonlocal most
        flying.add(name)
        most = max(most, len(flying))
        await asyncio.sleep(0.001)
        flying.remove(name)

    await run_all(SessionRunner(playing).sessions(12), 3)
    assert most == 3


async def test_a_defect_costs_its_own_session_only_and_is_named() -> None:
    played: list[str] = []

    async def playing(name: str) -> None:
        if name == "a-001":
            raise KeyError("gone")
        if name == "a-002":
            raise EngineError("no answer")
        played.append(name)

    runner = SessionRunner(playing)
    await run_all(runner.sessions(4), 4)
    assert played == ["a-000", "a-003"]
    assert [failure.message for failure in runner.failures] == ["defect in the harness: KeyError('gone')", "no answer"]
