"""How an engine's process is launched: deaf to Ctrl-C, never without its parent, gone when the start is given up."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.config.schema import EngineConfig
from harness.engines.vllm.launch import Launch, environment
from harness.errors import EngineError
from tests.fixtures.asking import alive
from tests.fixtures.launch_and_wait import sleep_for_ever


@pytest.fixture
def launched() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with an engine-like child, and the child's pid."""
    command = [sys.executable, "-m", "tests.fixtures.launch_and_wait"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert process.stdout.readline() == "built\n"
        yield process, child
        process.kill()
        if alive(child):
            os.kill(child, signal.SIGKILL)


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def test_the_terminals_ctrl_c_reaches_us_and_not_the_engine(launched: tuple[subprocess.Popen[str], int]) -> None:
    process, child = launched
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "interrupted\n"
    assert not gone(child, within_s=0.5)


def test_the_engine_ends_when_we_are_killed(launched: tuple[subprocess.Popen[str], int]) -> None:
    process, child = launched
    process.kill()
    assert gone(child)


def _build_with_child(started: Callable[[int], None]) -> Callable[[Launch], None]:
    def build(launch: Launch) -> None:
        launch.check()
        child = multiprocessing.get_context("spawn").Process(target=sleep_for_ever, name="EngineCore")
        child.start()
        assert child.pid is not None
        started(child.pid)
        child.join()
        raise EngineError("the engine process ended while it was loading")

    return build


async def test_giving_up_a_start_ends_its_process() -> None:
    pids: list[int] = []
    launch = Launch(_build_with_child(pids.append))
    waiting = asyncio.create_task(launch.done())
    while not pids:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    waiting.cancel()
    await launch.give_up()
    assert gone(pids[0])


async def test_a_start_given_up_before_its_process_starts_never_starts_it() -> None:
    pids: list[int] = []
    may_go_on = asyncio.Event()
    loop = asyncio.get_running_loop()
    inner = _build_with_child(pids.append)

    def build(launch: Launch) -> None:
        asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result()
        inner(launch)

    launch = Launch(build)
    giving_up = asyncio.create_task(launch.give_up())
    await asyncio.sleep(0.1)
    may_go_on.set()
    await giving_up
    with pytest.raises(EngineError, match="given up"):
        await launch.done()
    assert not pids


async def test_what_the_build_raises_comes_out() -> None:
    def build(launch: Launch) -> None:
        raise EngineError("no such model")

    with pytest.raises(EngineError, match="no such model"):
        await Launch(build).done()


@pytest.mark.parametrize(("cores", "kept_free"), [(1, None), (2, "0"), (8, None)])
def test_vllm_computes_on_both_cores_of_two(monkeypatch: pytest.MonkeyPatch, cores: int, kept_free: str | None) -> None:
    monkeypatch.delenv("VLLM_CPU_NUM_OF_RESERVED_CPU", raising=False)
    monkeypatch.setattr("harness.engines.vllm.launch.cores", lambda: cores)
    with environment(EngineConfig(), None):
        assert os.environ.get("VLLM_CPU_NUM_OF_RESERVED_CPU") == kept_free


def test_the_environment_is_put_back_and_the_users_own_values_win(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "DEBUG")
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    before = dict(os.environ)
    with environment(EngineConfig(), tmp_path / "engine.log"):
        assert os.environ["VLLM_LOGGING_LEVEL"] == "DEBUG"
        assert 1 <= int(os.environ["VLLM_CPU_KVCACHE_SPACE"]) <= 4
        assert Path(os.environ["VLLM_LOGGING_CONFIG_PATH"]).is_file()
        os.environ["LD_PRELOAD"] = "what vLLM sets for its children"
    assert dict(os.environ) == before
