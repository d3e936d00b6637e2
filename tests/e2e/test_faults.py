"""Whole runs around what goes wrong: a server that fails in every way, a disk that fills up, a folder that turns read-only, a
refused key. Every session finishes or is kept, no fault becomes dialogue, and no secret is written anywhere."""

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.loopback_server import FAULT_TEXT, Fault, LoopbackServer
from tests.fixtures.processes import comparable, count_turns, finish, harness, start, wait_for_turns, whole_lines
from tests.store_samples import journalled

KEY_NAME, KEY = "HARNESS_TEST_KEY", "sk-test-5b1f0e77-never-to-be-seen"
PERSONAS = "personas=[two-cups,left-in-march]"


async def test_a_server_that_fails_and_goes_away_costs_no_session_and_everything_is_journalled(
    small_model: Path, tmp_path: Path
) -> None:
    """A fifth of all requests fails in seven ways, and in mid-run the server is gone for a while."""
    folder = tmp_path / "run"
    server = LoopbackServer(fault_every=5, hang_s=8.0, max_model_len=4096, latency_s=0.05)
    async with server.running():
        process = start(
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={small_model}"),
            *(f"run.dir={folder}", PERSONAS, "sessions_per_persona=6", "max_exchanges=6", "guard=off"),
            *("patient.state=off", "engine.request_timeout_s=1"),
        )
        await asyncio.to_thread(wait_for_turns, process, folder, 40)
    await asyncio.sleep(0.5)
    async with server.running():
        done = await asyncio.to_thread(finish, process)
    assert done.returncode == 0, done.stderr
    assert set(server.failed) == set(Fault)
    assert "giving up in" in done.stderr
    sessions = comparable(folder)
    assert [len(session["turns"]) for session in sessions.values()] == [12] * 12
    assert all(turn["text"].startswith("Answer ") for session in sessions.values() for turn in session["turns"])
    assert not (folder / "failures.jsonl").read_bytes()
    assert not _files_with(folder, FAULT_TEXT)
    retries = [event for session in sessions.values() for event in session["events"] if event["kind"] == "retry"]
    assert len(retries) >= len(server.failed)
    assert all(event["by"] == "engine" and event["of"] == "turn" for event in retries)
    for session in sessions.values():
        assert all(event["speaker"] == session["turns"][event["turn"]]["speaker"] for event in session["events"])
    of_the_run = [event["event"] for event in journalled(folder) if event["session_id"] is None]
    assert of_the_run == ["engine_away", "engine_back"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room; skips where this user can't mount one."""
    mount = shutil.which("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount or _run(mount, "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(folder)):
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    _run("umount", "--lazy", str(folder))


def _run(*words: str) -> int:
    return subprocess.run(words, check=False, capture_output=True).returncode


def settings(small_model: Path, folder: Path) -> tuple[str, ...]:
    return (
        *("run", "engine=dry", f"model.path={small_model}", f"run.dir={folder}", PERSONAS),
        *("sessions_per_persona=4", "max_exchanges=10", "concurrency=4", "seed=2", "engine.max_model_len=2048"),
    )


def assert_stopped_by_one_clear_line(done: subprocess.CompletedProcess[str], folder: Path, why: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert str(folder) in errors[0]
    assert why in errors[0]
    assert "resume" in errors[0]
    assert whole_lines(folder / "journal.jsonl") == (folder / "journal.jsonl").read_bytes()


def assert_resumes(folder: Path, small_model: Path, plain: Path) -> None:
    """Nothing that was written is lost, and the run ends as one to which nothing happened."""
    said = (folder / "journal.jsonl").read_bytes()
    done = harness("resume", str(folder))
    assert done.returncode == 0, done.stderr
    assert (folder / "journal.jsonl").read_bytes().startswith(said)
    assert harness(*settings(small_model, plain)).returncode == 0
    assert comparable(folder) == comparable(plain)


def test_a_full_disk_stops_the_run_and_it_resumes_where_there_is_room(
    small_disk: Path, small_model: Path, tmp_path: Path
) -> None:
    folder = small_disk / "run"
    done = harness(*settings(small_model, folder))
    assert_stopped_by_one_clear_line(done, folder, os.strerror(errno.ENOSPC))
    assert count_turns(folder)
    assert _run("mount", "-o", "remount,size=16m", str(small_disk)) == 0
    assert_resumes(folder, small_model, tmp_path / "plain")


def bound_by_permissions() -> tuple[str, ...]:
    """What has to stand before a command so that permission bits bind it, which they don't for root."""
    if os.geteuid():
        return ()
    setpriv = shutil.which("setpriv")
    words = (str(setpriv), "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
    if setpriv is None or _run(*words, "true"):
        pytest.skip("needs setpriv, or a user other than root")
    return words


def _permit(folder: Path, *, writing: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o755 if path.is_dir() else 0o644) & (0o777 if writing else 0o555))


def test_a_folder_made_read_only_stops_the_run_and_it_resumes_once_it_can_be_written(
    small_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = start(*settings(small_model, folder), "engine.latency_s=0.1", before=bound_by_permissions())
    wait_for_turns(process, folder, 8)
    _permit(folder, writing=False)
    try:
        done = finish(process)
        assert_stopped_by_one_clear_line(done, folder, os.strerror(errno.EACCES))
    finally:
        _permit(folder, writing=True)
    assert_resumes(folder, small_model, tmp_path / "plain")


def _files_with(folder: Path, text: str) -> list[str]:
    return [str(file) for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


async def test_a_key_stands_in_no_file_and_no_line_also_after_it_is_refused(small_model: Path, tmp_path: Path) -> None:
    """The server echoes the key that it refuses, as careless servers do."""
    folder = tmp_path / "run"
    async with LoopbackServer(key=KEY, max_model_len=4096, latency_s=0.05).running() as server:
        words = (
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"engine.api_key_env={KEY_NAME}"),
            *(f"model.path={small_model}", f"run.dir={folder}", PERSONAS, "max_exchanges=8", "guard=off"),
        )
        process = start(*words, env={KEY_NAME: KEY})
        await asyncio.to_thread(wait_for_turns, process, folder, 4)
        server.key = "another"
        refused = await asyncio.to_thread(finish, process)
        assert refused.returncode == 3, refused.stderr
        assert "refused the key (status 401)" in refused.stderr
        assert not comparable(folder, "failures.jsonl")
        at_start = await asyncio.to_thread(harness, "resume", str(folder), env={KEY_NAME: KEY})
        assert at_start.returncode == 3, at_start.stderr
        assert "refused the key" in at_start.stderr
        server.key = KEY
        done = await asyncio.to_thread(harness, "resume", str(folder), env={KEY_NAME: KEY})
        assert done.returncode == 0, done.stderr
    assert [len(session["turns"]) for session in comparable(folder).values()] == [16, 16]
    assert not comparable(folder, "failures.jsonl")
    for process_done in (refused, at_start, done):
        assert KEY not in process_done.stdout + process_done.stderr
    assert not _files_with(folder, KEY)
