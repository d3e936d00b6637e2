"""What becomes of vLLM's processes when ours is interrupted or killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.vllm.engine import VllmEngine
from tests.fixtures.asking import alive, command, descendants

pytest.importorskip("vllm")


def test_ctrl_c_leaves_the_engine_to_us_and_sigkill_leaves_no_orphan(small_model: Path) -> None:
    """The terminal sends SIGINT to the whole process group; a SIGKILL reaches only our process."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.fixtures.serve_and_wait", str(small_model)]
    env = {"VLLM_CPU_KVCACHE_SPACE": "1", **os.environ}
    with subprocess.Popen(
        command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            children = json.loads(process.stdout.readline())
            assert sum(map(alive, children)) >= 2
            os.killpg(process.pid, signal.SIGINT)
            assert json.loads(process.stdout.readline())["after_interrupt"]
            os.kill(process.pid, signal.SIGKILL)
            deadline = time.monotonic() + 15
            while any(map(alive, children)) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not any(map(alive, children))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


async def test_a_start_that_is_cancelled_ends_soon_and_leaves_nothing(small_model: Path) -> None:
    before = descendants(os.getpid())
    engine = VllmEngine(EngineConfig(kind="vllm", max_model_len=512), ModelConfig(path=str(small_model)))
    task = asyncio.create_task(engine.start())
    while not any("spawn_main" in command(pid) for pid in descendants(os.getpid()) - before):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 15)
    await asyncio.sleep(1.0)
    left = {pid: command(pid) for pid in descendants(os.getpid()) - before}
    assert not {pid for pid, line in left.items() if "resource_tracker" not in line}, f"left behind: {left}"
