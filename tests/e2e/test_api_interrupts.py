"""Ctrl-C and cancellation of what was started from Python: it stops in order, and the caller's process stays as it was."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import harness
from harness.runs.interrupts import Stopper

LONG = {"engine": "dry", "personas": ["two-cups"], "max_exchanges": 400}


def pressing() -> Callable[[str], Awaitable[str]]:
    """An agent at whose first turn the process gets SIGINT."""
    pressed = False

    async def agent(text: str) -> str:
        nonlocal pressed
        if not pressed:
            pressed = True
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.02)
        return "Go on."

    return agent


def test_the_signals_are_the_callers_again_after_an_interrupted_run(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    run = harness.run(LONG, {"run.dir": tmp_path / "run"}, therapist=pressing(), quiet=True)
    assert (run.status, run.exit_code) == ("interrupted", 130)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_function_that_blocks_does_not_hold_up_the_end(tmp_path: Path) -> None:
    released = threading.Event()

    def blocks(text: str) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        released.wait(30)
        return "Go on."

    began = time.monotonic()
    run = harness.run(LONG, {"run.dir": tmp_path / "run"}, therapist=blocks, quiet=True)
    released.set()
    assert run.exit_code == 130
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("awaited", [False, True])
def test_an_interrupt_inside_an_event_loop_stops_the_run(tmp_path: Path, awaited: bool) -> None:
    async def notebook() -> None:
        if awaited:
            await harness.arun(LONG, {"run.dir": tmp_path / "run"}, therapist=pressing(), quiet=True)
        else:
            harness.run(LONG, {"run.dir": tmp_path / "run"}, therapist=pressing(), quiet=True)
            await asyncio.sleep(0)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(notebook())
    assert harness.open_run(tmp_path / "run").status == "interrupted"


def test_a_cancelled_arun_is_saved_when_it_raises(tmp_path: Path) -> None:
    async def wait() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def agent(text: str) -> str:
            loop.call_soon_threadsafe(begun.set)
            await asyncio.sleep(0.02)
            return "Go on."

        task = asyncio.create_task(harness.arun(LONG, {"run.dir": tmp_path / "run"}, therapist=agent, quiet=True))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert harness.open_run(tmp_path / "run").status == "interrupted"

    asyncio.run(wait())


def test_a_sweep_works_inside_an_event_loop(tmp_path: Path) -> None:
    settings = {"engine": "dry", "personas": ["two-cups"], "max_exchanges": 1, "run.dir": tmp_path / "sweep"}

    async def notebook() -> harness.Sweep:
        return harness.sweep(settings, "therapist=act,cbt", quiet=True)

    assert {point["state"] for point in asyncio.run(notebook()).points()} == {"finished"}


def test_a_stop_before_the_work_begins_still_stops_it() -> None:
    stopper, calls = Stopper(), []
    stopper.stop()
    with stopper.calling(lambda: calls.append(1)):
        stopper.stop()
    assert calls == [1]
