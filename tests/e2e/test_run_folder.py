"""A run folder has one writer among processes, and a long run keeps nothing of its finished sessions in memory."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.store.resume import Progress
from harness.store.run_dir import RunDir
from tests.store_samples import ROOT, play, record, spec

HOLDER = """
import os, sys, time
from pathlib import Path
from harness.store.run_dir import RunDir
from tests.store_samples import record

run_dir = RunDir.create(Path(sys.argv[1]), record())
if os.fork() == 0:
    print("ready", flush=True)
    os.execlp("sleep", "sleep", "60") if sys.argv[2] == "exec" else time.sleep(60)
time.sleep(60)
"""


@pytest.mark.parametrize("child", ["exec", "fork"])
def test_a_second_process_is_refused_by_pid_and_a_kill_frees_the_folder(tmp_path: Path, child: str) -> None:
    """A child that outlives its killed parent (an engine) doesn't hold the lock on."""
    path = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(path), child]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            with pytest.raises(StorageError, match=f"process {holder.pid} is writing to this run"):
                RunDir.open(path)
            with pytest.raises(StorageError, match=f"process {holder.pid} is writing to this run"):
                RunDir.create(path, record())
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait(10)
            run_dir, _ = RunDir.open(path)
            run_dir.close()
        finally:
            os.killpg(holder.pid, signal.SIGKILL)


def test_a_finished_session_leaves_nothing_in_memory(tmp_path: Path) -> None:
    """Under 2 KB a finished session; its turns alone are over 10 KB."""
    with RunDir.create(tmp_path / "run", record()) as run_dir:

        async def sessions(first: int, count: int) -> None:
            for number in range(first, first + count):
                await play(run_dir, Progress(), [spec(number)], 20)
            await run_dir.committed()

        def run(first: int, count: int) -> int:
            """Bytes in use when these sessions are on disk, transcripts included."""
            asyncio.run(sessions(first, count))
            transcripts = tmp_path / "run" / "transcripts"
            deadline = time.monotonic() + 30
            while len(list(transcripts.glob("*.md"))) < first + count and time.monotonic() < deadline:
                time.sleep(0.01)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = run(0, 20)
            after = run(20, 150)
        finally:
            tracemalloc.stop()
    assert (after - before) / 150 < 2000
