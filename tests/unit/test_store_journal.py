"""The journal keeps what it was given, whole and in order, and says at once when it can't."""

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import orjson
import pytest

from harness.errors import StorageError
from harness.store.commit import GroupCommit
from harness.store.files import LineFile
from harness.store.journal import Journal
from harness.types import Speaker
from tests.store_samples import ROOT, journalled, spec, turn, view

FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from harness.errors import StorageError
from harness.store.run_dir import RunDir
from tests.store_samples import record, spec, turn, view

async def main():
    run_dir = RunDir.create(Path(sys.argv[1]), record())
    watching = asyncio.create_task(run_dir.watch())
    run_dir.start_session(spec(0))
    await run_dir.committed()
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    index = 0
    while not watching.done():
        run_dir.record_turn(spec(0).session_id, turn(spec(0), index), view(index))
        index += 1
        await asyncio.sleep(0.001)
    print(watching.exception())
    for attempt in (lambda: run_dir.record_turn("p-000", turn(spec(0), index), None), run_dir.close):
        try:
            attempt()
        except StorageError as error:
            assert str(error) == str(watching.exception())
        else:
            raise SystemExit("no error")

asyncio.run(main())
"""


def journal(path: Path, interval_s: float = 0.01) -> tuple[GroupCommit, Journal]:
    files = GroupCommit([path], interval_s=interval_s)
    return files, Journal(files)


async def test_committed_means_on_disk(tmp_path: Path) -> None:
    """What was appended before `committed` returns can be read back, in order, with fields, time and enums."""
    files, writer = journal(tmp_path / "journal.jsonl", interval_s=60.0)
    with files:
        started = time.time()
        for index in range(100):
            writer.append("turn", "s-1", index=index, speaker=Speaker.PATIENT)
        await files.committed()
        found = journalled(tmp_path)
    assert [line["index"] for line in found] == list(range(100))
    assert {(line["event"], line["session_id"], line["speaker"]) for line in found} == {("turn", "s-1", "patient")}
    assert all(abs(line["time"] - started) < 30 for line in found)


def test_lines_reach_the_disk_without_being_asked(tmp_path: Path) -> None:
    """Group commit writes by itself within a moment."""
    files, writer = journal(tmp_path / "journal.jsonl")
    with files:
        writer.append("turn", "s-1")
        deadline = time.monotonic() + 5
        while not (tmp_path / "journal.jsonl").stat().st_size and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(journalled(tmp_path)) == 1


async def test_earlier_files_of_a_group_are_synced_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A derived line is never on disk before the journal's line that it derives from."""
    written: list[str] = []
    write = LineFile.write

    def spy(self: LineFile, content: bytes) -> None:
        write(self, content)
        written.append(f"{self.path.name}:{content.decode().strip()}")

    monkeypatch.setattr(LineFile, "write", spy)
    with GroupCommit([tmp_path / "a", tmp_path / "b"], interval_s=60.0) as files:
        files.append(0, b"1\n")
        files.append(1, b"2\n")
        files.append(0, b"3\n")
        await files.committed()
    assert written == ["a:1\n3", "b:2"]


def test_a_torn_last_line_is_ignored_and_cut_before_appending(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event":"a","session_id":null}\n{"event":"b","sess')
    assert [line["event"] for line in journalled(path.parent)] == ["a"]
    files, writer = journal(path)
    writer.append("c", None)
    files.close()
    assert [line["event"] for line in journalled(path.parent)] == ["a", "c"]


def test_a_torn_line_longer_than_a_block_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event":"a"}\n' + b"x" * 200_000)
    LineFile(path).close()
    assert path.read_bytes() == b'{"event":"a"}\n'
    path.write_bytes(b"x" * 200_000)
    LineFile(path).close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("broken", [b'{"event":"b"', b"[]", b'{"session_id":"x"}', b"\x00\x00", b""])
def test_a_broken_line_in_the_middle_is_refused_by_number(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event":"a"}\n' + broken + b'\n{"event":"c"}\n')
    with pytest.raises(StorageError, match=r"journal\.jsonl:2: ") as caught:
        journalled(path.parent)
    assert "\n" not in str(caught.value)


def test_a_missing_journal_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"journal\.jsonl: can't read: No such file"):
        journalled(tmp_path)


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(StorageError, match=r"journal\.jsonl: can't open for writing: Is a directory"):
        GroupCommit([tmp_path / "journal.jsonl"])


def test_a_full_disk_stops_with_one_line_and_leaves_whole_lines(tmp_path: Path) -> None:
    """The limit on file size stands for a full disk: a write that finds room for a part only."""
    folder = tmp_path / "run"
    command = [sys.executable, "-c", FULL_DISK, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    message = done.stdout.strip()
    assert message.startswith(f"{folder / 'journal.jsonl'}: can't write: File too large; ")
    assert "\n" not in message
    content = (folder / "journal.jsonl").read_bytes()
    assert content.endswith(b"\n")
    turns = [line["turn"]["index"] for line in journalled(folder) if line["event"] == "turn"]
    assert turns == list(range(len(turns)))
    line_bytes = len(orjson.dumps({"turn": turn(spec(0), 0), "view": view(0)}))
    assert 10_000 - 3 * line_bytes < len(content) <= 10_000, "the lines that found room stay"


async def test_a_failed_write_reaches_everyone_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: LineFile, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LineFile, "write", fail)
    files, writer = journal(tmp_path / "journal.jsonl", interval_s=60.0)
    watching = asyncio.create_task(files.watch())
    await asyncio.sleep(0)
    writer.append("turn", "s-1")
    with pytest.raises(StorageError, match="No space left on device"):
        await asyncio.wait_for(files.committed(), 5)
    with pytest.raises(StorageError, match="No space left on device"):
        await asyncio.wait_for(watching, 5)
    with pytest.raises(StorageError, match="No space left on device"):
        writer.append("turn", "s-1")
    with pytest.raises(StorageError, match="No space left on device"):
        files.close()


async def test_a_bug_in_the_writing_thread_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: LineFile, content: bytes) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(LineFile, "write", fail)
    files, writer = journal(tmp_path / "journal.jsonl")
    writer.append("turn", "s-1")
    with pytest.raises(StorageError, match="writing stopped: RuntimeError"):
        await asyncio.wait_for(files.committed(), 5)


async def test_a_cancelled_watch_or_wait_does_no_harm(tmp_path: Path) -> None:
    files, writer = journal(tmp_path / "journal.jsonl", interval_s=0.2)
    with files:
        for waiting in (files.watch(), files.committed()):
            task = asyncio.create_task(waiting)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        writer.append("turn", "s-1")
        await files.committed()
    assert len(journalled(tmp_path)) == 1


def test_nothing_is_taken_after_close_and_close_may_be_called_twice(tmp_path: Path) -> None:
    files, writer = journal(tmp_path / "journal.jsonl", interval_s=60.0)
    writer.append("a", None)
    files.close()
    files.close()
    assert len(journalled(tmp_path)) == 1
    with pytest.raises(StorageError, match="is closed"):
        writer.append("b", None)


def test_whoever_closes_second_also_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a second Ctrl-C the process ends as soon as `close` returns, even if a run was just being closed."""
    writing, go_on, write = threading.Event(), threading.Event(), LineFile.write

    def slow(file: LineFile, lines: bytes) -> None:
        writing.set()
        go_on.wait(10)
        write(file, lines)

    monkeypatch.setattr(LineFile, "write", slow)
    files, writer = journal(tmp_path / "journal.jsonl")
    writer.append("a", None)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(files.close)
        assert writing.wait(10)
        second = threads.submit(files.close)
        assert not wait([second], timeout=0.1).done
        go_on.set()
        first.result(10)
        second.result(10)
    assert len(journalled(tmp_path)) == 1


def test_text_that_is_no_valid_unicode_is_kept_as_far_as_it_can_be(tmp_path: Path) -> None:
    """A server's JSON may hold half a surrogate pair; it must not stop a run."""
    files, writer = journal(tmp_path / "journal.jsonl")
    writer.append("turn", "s-1", text="a\ud800b 😀", state={Speaker.PATIENT: ["\udfff"]})
    files.close()
    (line,) = journalled(tmp_path)
    assert line["text"] == "a\ufffdb 😀"
    assert line["state"] == {"patient": ["\ufffd"]}


def test_appending_costs_microseconds(tmp_path: Path) -> None:
    """Under 50 µs of CPU a turn on the event loop's thread."""
    files, writer = journal(tmp_path / "journal.jsonl")
    with files:
        said, seen = turn(spec(0), 0), view(0)
        started = time.thread_time()
        for _ in range(2000):
            writer.append("turn", "s-1", turn=said, view=seen)
        assert (time.thread_time() - started) / 2000 < 50e-6
