"""The supervisor over a scripted engine: who is asked again, who is blamed, when it gives up."""

import asyncio
from collections.abc import Callable

import pytest

from harness.engines.base import EngineInfo
from harness.engines.events import Notice, Restarted
from harness.engines.supervisor import Supervisor
from harness.errors import EngineError, EngineUnavailable
from harness.types import FinishReason, Generation, Prompt, Request, Sampling


def request(name: str) -> Request:
    return Request(Prompt((), (1,), 1, 1, 10), Sampling(), 0, name)


class Mortal:
    """An engine that dies for everyone in flight when `kills` says so of a request."""

    def __init__(self, kills: Callable[[str, int], bool]) -> None:
        self._kills, self.life, self.alive = kills, 0, False
        self._death = asyncio.Event()
        self.in_flight = self.most_in_flight = 0
        self.start_fails = False

    async def start(self) -> EngineInfo:
        await asyncio.sleep(0)
        if self.start_fails:
            raise EngineError("can't load")
        self.life += 1
        self.alive, self._death = True, asyncio.Event()
        self.in_flight = self.most_in_flight = 0  # those of the life before may still be on their way out
        return EngineInfo("mortal", "m", 10)

    async def generate(self, request: Request) -> Generation:
        if not self.alive:
            raise EngineUnavailable("dead")
        death, life = self._death, self.life
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.001)
            if self._kills(request.request_id, self.life):
                self.alive = False
                death.set()
            await asyncio.sleep(0.002)
            if death.is_set():
                raise EngineUnavailable("died in flight")
        finally:
            if life == self.life:
                self.in_flight -= 1
        return Generation(request.request_id, (), FinishReason.STOP, 1, 1)

    async def close(self) -> None:
        self.alive = False


async def play(
    engine: Mortal, names: list[str], max_restarts: int = 2
) -> tuple[dict[str, str | Exception], list[Notice]]:
    seen: list[Notice] = []
    supervisor = Supervisor(engine, name="m", max_restarts=max_restarts, listener=seen.append)
    await supervisor.start()
    results = await asyncio.gather(*(supervisor.generate(request(name)) for name in names), return_exceptions=True)
    await supervisor.close()
    return {
        name: result.text if isinstance(result, Generation) else result  # type: ignore[misc]
        for name, result in zip(names, results, strict=True)
    }, seen


NAMES = [f"s{number}" for number in range(20)]


async def test_a_death_from_outside_costs_nobody_a_turn() -> None:
    results, seen = await play(Mortal(lambda name, life: life == 1 and name == "s3"), NAMES)
    assert results == {name: name for name in NAMES}
    assert [notice.number for notice in seen if isinstance(notice, Restarted)] == [1]


async def test_an_answer_tells_of_the_death_before_it() -> None:
    engine = Mortal(lambda name, life: life == 1)
    supervisor = Supervisor(engine, name="m", max_restarts=1)
    await supervisor.start()
    answer = await supervisor.generate(request("s0"))
    await supervisor.close()
    (retry,) = answer.retries
    assert retry.reason == "died in flight"
    assert retry.wait_s >= 0


async def test_two_deaths_from_outside_cost_at_most_one_session() -> None:
    """The second death comes from another request, so the one asked again at that moment is wrongly blamed: only it."""
    results, _ = await play(Mortal(lambda name, life: (life, name) in {(1, "s3"), (2, "s0")}), NAMES)
    assert [name for name, result in results.items() if result != name] == ["s0"]


async def test_the_request_that_brings_it_down_twice_fails_alone() -> None:
    results, seen = await play(Mortal(lambda name, life: name == "s7"), NAMES)
    blamed = results.pop("s7")
    assert isinstance(blamed, EngineError)
    assert not isinstance(blamed, EngineUnavailable)
    assert "s7 was in flight both times" in str(blamed)
    assert results == {name: name for name in NAMES if name != "s7"}
    assert len(seen) == 2


async def test_suspects_are_asked_again_one_by_one() -> None:
    engine = Mortal(lambda name, life: life == 1 and name == "s3")
    await play(engine, NAMES)
    assert engine.most_in_flight == 1


async def test_when_the_restarts_are_used_up_everyone_hears_so() -> None:
    results, _ = await play(Mortal(lambda name, life: True), NAMES, max_restarts=1)
    failed = [result for result in results.values() if isinstance(result, EngineUnavailable)]
    assert len(failed) == len(NAMES) - 1
    assert "1 of 1 restarts are used" in str(failed[0])


async def test_a_restart_that_fails_counts_and_ends_the_wait() -> None:
    engine = Mortal(lambda name, life: True)
    supervisor = Supervisor(engine, name="m", max_restarts=2)
    await supervisor.start()
    engine.start_fails = True
    with pytest.raises(EngineUnavailable, match="can't load"):
        await asyncio.wait_for(supervisor.generate(request("s0")), 5)
    await supervisor.close()


async def test_closing_during_a_restart_frees_everyone_who_waits() -> None:
    engine = Mortal(lambda name, life: True)
    supervisor = Supervisor(engine, name="m", max_restarts=1)
    await supervisor.start()
    never = asyncio.Event()

    async def hang() -> EngineInfo:
        await never.wait()
        raise AssertionError

    engine.start = hang  # type: ignore[method-assign]
    waiting = asyncio.create_task(supervisor.generate(request("s0")))
    await asyncio.sleep(0.05)
    await supervisor.close()
    with pytest.raises(EngineUnavailable, match="closed"):
        await asyncio.wait_for(waiting, 5)
