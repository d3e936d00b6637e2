"""Cut a run off anywhere, any number of times: what was committed is there, and resumed it ends as if undisturbed."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.store.commit import GroupCommit
from harness.store.files import LineFile
from harness.store.journal import Journal
from harness.store.resume import Progress
from harness.store.run_dir import RunDir
from tests.store_samples import ROOT, by_id, journalled, play, record, spec

KILLS = 20
WORKER = """
import asyncio, sys
from pathlib import Path
from harness.store.resume import Progress
from harness.store.run_dir import RunDir
from tests.store_samples import play, record, spec

async def main():
    path = Path(sys.argv[1])
    fresh = not (path / "run.json").exists()
    run_dir, progress = (RunDir.create(path, record()), Progress()) if fresh else RunDir.open(path)
    with run_dir:
        print("ready", flush=True)

        async def tell():
            while True:
                known = run_dir.record.totals.turns
                await run_dir.committed()
                print(known, flush=True)
                await asyncio.sleep(0.003)

        telling = asyncio.create_task(tell())
        await play(run_dir, progress, [spec(number) for number in range(24)], 4, 0.003, spread=4)
        telling.cancel()
    print("done", flush=True)

asyncio.run(main())
"""

unicode_text = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | unicode_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(unicode_text, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text("abc_", min_size=1), json_values), max_size=6), st.floats(0, 1))
def test_a_journal_cut_anywhere_keeps_its_whole_lines(written: list[tuple[str, Any]], share: float) -> None:
    """Reading gives the whole lines before the cut; after reopening, new events stand right behind them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        append(path, written)
        assert read(path) == written
        content = path.read_bytes()
        cut = int(share * len(content))
        path.write_bytes(content[:cut])
        kept = written[: content.count(b"\n", 0, cut)]
        assert read(path) == kept
        append(path, [("after", None)])
        assert read(path) == [*kept, ("after", None)]


def append(path: Path, events: list[tuple[str, Any]]) -> None:
    with GroupCommit([path], interval_s=0) as files:
        journal = Journal(files)
        for event, value in events:
            journal.append(event, "s", value=value)


def read(path: Path) -> list[tuple[str, Any]]:
    return [(line["event"], line["value"]) for line in journalled(path.parent)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "run"
    play_on(path)
    return path


def play_on(path: Path) -> None:
    fresh = not (path / "run.json").exists()
    run_dir, progress = (RunDir.create(path, record()), Progress()) if fresh else RunDir.open(path)
    with run_dir:
        asyncio.run(play(run_dir, progress, [spec(number) for number in range(4)], 6, spread=2))


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=3))
def test_a_run_cut_anywhere_and_resumed_ends_as_if_undisturbed(
    undisturbed: Path, cuts: list[tuple[float, float]]
) -> None:
    """Cut the journal anywhere, and sessions.jsonl anywhere up to what the cut journal knows, several times over."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        play_on(path)
        for cut_journal, cut_sessions in cuts:
            shorten(path / "journal.jsonl", cut_journal)
            stopped = sum(line["event"] == "stopped" for line in journalled(path))
            sessions = b"".join((path / "sessions.jsonl").read_bytes().splitlines(keepends=True)[:stopped])
            (path / "sessions.jsonl").write_bytes(sessions)
            shorten(path / "sessions.jsonl", cut_sessions)
            play_on(path)
        assert by_id(path / "sessions.jsonl") == by_id(undisturbed / "sessions.jsonl")
        names = sorted(file.name for file in (undisturbed / "transcripts").iterdir())
        assert sorted(file.name for file in (path / "transcripts").iterdir()) == names


def shorten(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def test_killed_at_any_moment_nothing_committed_is_lost(tmp_path: Path) -> None:
    """SIGKILL at 20 random moments, then to the end: no turn lost, doubled or changed, and sessions.jsonl as ever."""
    rng = random.Random(20)
    path = tmp_path / "run"
    known = killed = 0
    for _ in range(KILLS):
        said = kill_after(path, rng.uniform(0.0, 0.04))
        if "done" in said:
            break
        killed += 1
        known = max([known, *(int(line) for line in said if line.isdigit())])
        assert len(turns(path)) >= known, "a committed turn is missing"
        assert len(set(turns(path))) == len(turns(path)), "a turn was done twice"
    assert killed >= KILLS // 2, "too few kills came while the run was under way"
    assert "done" in kill_after(path, None)
    assert len(turns(path)) == sum(4 + 4 * number for number in range(24))
    whole = tmp_path / "whole"
    with RunDir.create(whole, record()) as run_dir:
        asyncio.run(play(run_dir, Progress(), [spec(number) for number in range(24)], 4, spread=4))
    assert by_id(path / "sessions.jsonl") == by_id(whole / "sessions.jsonl")
    for file in (whole / "transcripts").iterdir():
        assert (path / "transcripts" / file.name).read_bytes() == file.read_bytes()


def turns(path: Path) -> list[tuple[str, int]]:
    """Session and index of every turn in the journal, in order; only its last line may be torn."""
    found = (line for line in journalled(path) if line["event"] == "turn")
    return [(line["session_id"], line["turn"]["index"]) for line in found]


def kill_after(path: Path, delay_s: float | None) -> list[str]:
    """Run a worker, kill it `delay_s` after it began to work, and return the lines that it printed."""
    command = [sys.executable, "-c", WORKER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as worker:
        assert worker.stdout is not None
        first = worker.stdout.readline()
        try:
            worker.wait(delay_s if delay_s is not None else 60)
        except subprocess.TimeoutExpired:
            os.kill(worker.pid, signal.SIGKILL)
        return [first.strip(), *worker.stdout.read().split()]


def test_a_line_file_finds_the_end_of_its_last_line_at_any_size(tmp_path: Path) -> None:
    """Also where the last newline stands at the edge of a block that is read at once."""
    path = tmp_path / "file"
    for size in (0, 1, 65534, 65535, 65536, 65537, 131072):
        path.write_bytes(b"x" * size + b"\n" + b"torn" * 20_000)
        LineFile(path).close()
        assert path.stat().st_size == size + 1
