"""A whole run on the real vLLM engine, whose processes are killed or interrupted in the middle of it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.asking import alive, descendants
from tests.fixtures.processes import comparable, count_turns, finish, start, wait_for_turns

pytest.importorskip("vllm")


@pytest.fixture
def started(small_model: Path, tmp_path: Path) -> Iterator["Started"]:
    run = Started(small_model, tmp_path / "run")
    yield run
    run.clean()


class Started:
    """A run that has journalled a few turns, and the processes that it started."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.folder = folder
        self.process = start(
            *("run", "engine=vllm", f"model.path={model}", f"run.dir={folder}", "guard=off", "max_exchanges=6"),
            *("personas=[two-cups,left-in-march]", "min_exchanges=6", "engine.max_model_len=1024"),
            "sessions_per_persona=4",
            *("therapist.max_new_tokens=24", "patient.max_new_tokens=24"),
            env={"VLLM_CPU_KVCACHE_SPACE": "1"},
        )
        wait_for_turns(self.process, folder, 12, timeout_s=300)
        self.children = descendants(self.process.pid)

    def gone(self, within_s: float = 20.0) -> bool:
        """Whether all processes of the run end within a time."""
        deadline = time.monotonic() + within_s
        while any(map(alive, self.children)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return not any(map(alive, self.children))

    def clean(self) -> None:
        for pid in {self.process.pid, *filter(alive, self.children)}:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def test_the_engine_process_killed_in_mid_run_costs_no_turn(started: Started) -> None:
    (engine,) = [pid for pid in started.children if "VLLM::Engine" in Path(f"/proc/{pid}/comm").read_text()]
    os.kill(engine, signal.SIGKILL)
    done = finish(started.process, 400)
    assert done.returncode == 0, done.stderr
    assert "restart 1 of 2" in done.stderr
    assert "restart 2 of 2" not in done.stderr
    assert [len(session["turns"]) for session in comparable(started.folder).values()] == [12] * 8
    assert not (started.folder / "failures.jsonl").read_bytes()
    assert started.gone()


def test_ctrl_c_ends_a_run_in_order_and_leaves_no_process(started: Started) -> None:
    os.killpg(started.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    done = finish(started.process, 60)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert f"go on with: python -m harness resume {started.folder}" in done.stderr
    assert count_turns(started.folder) >= 12
    assert started.gone()
