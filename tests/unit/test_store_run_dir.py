"""A run folder holds what the contract says, is never overwritten, and has one writer."""

import asyncio
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from harness.engines.base import EngineInfo
from harness.errors import StorageError
from harness.store.outputs import check_writable, default_path, point_latest
from harness.store.provenance import collect
from harness.store.records import RunStatus, Totals, read_failures, read_record, read_sessions
from harness.store.resume import Progress
from harness.store.run_dir import MOST_WAITING, RunDir
from harness.types import Event, Failure, SessionResult, SessionSpec, Speaker, StopReason
from tests.store_samples import by_id, events, lines, metrics, play, record, spec, turn, view


async def finished(path: Path, sessions: int = 2, turns: int = 6) -> Path:
    specs = [spec(number) for number in range(sessions)]
    with RunDir.create(path, record(sessions=sessions)) as run_dir:
        await play(run_dir, Progress(), specs, turns, 0)
        run_dir.end(RunStatus.FINISHED, timings={"run": 1.5})
    return path


async def test_a_line_of_sessions_is_the_contract(tmp_path: Path) -> None:
    """Every field of the contract with the values given, usage by role, events flat, state where there is one."""
    path = await finished(tmp_path / "run")
    line = by_id(path / "sessions.jsonl")["p-000"]
    assert list(line) == [
        "session_id",
        "persona_id",
        "seed",
        "source",
        "stop_reason",
        "turns",
        "usage",
        "events",
        "metrics",
    ]
    assert (line["persona_id"], line["seed"], line["stop_reason"]) == ("p", 1000, "max_exchanges")
    assert line["turns"][1] == {
        "index": 1,
        "speaker": "therapist",
        "text": turn(spec(0), 1).text,
        "prompt_tokens": 101,
        "cached_tokens": 64,
        "completion_tokens": 20,
        "max_new_tokens": 256,
        "max_model_len": 9000,
        "finish_reason": "stop",
        "latency_s": 0.25,
        "evicted_turns": 0,
        "summary_tokens": 0,
    }
    assert line["turns"][2]["patient_state"] == {"trust": 0.2, "said": ["x"]}
    assert line["usage"]["patient"] == {
        "prompt_tokens": 100 + 102 + 104,
        "cached_tokens": 192,
        "completion_tokens": 60,
        "latency_s": 0.75,
    }
    assert line["events"][:2] == [
        {"kind": "retry", "turn": 0, "speaker": "patient", "error": "timeout", "after_s": 0.5},
        {"kind": "loop", "turn": 0, "speaker": "patient", "score": 0.9, "spans": [[0, 2]]},
    ]
    assert line["metrics"] == {"distinct_2": 0.5, "by_speaker": {"patient": 0}}


async def test_sessions_read_back_as_they_were(tmp_path: Path) -> None:
    path = await finished(tmp_path / "run")
    found = {session.session_id: session for session in read_sessions(path / "sessions.jsonl")}
    assert sorted(found) == ["p-000", "p-001"]
    for number in range(2):
        session = found[spec(number).session_id]
        assert session.turns == tuple(turn(spec(number), index) for index in range(6))
        assert session.events == tuple(event for index in range(6) for event in events(spec(number), index))
        assert (session.stop_reason, session.metrics) == (StopReason.MAX_EXCHANGES, metrics(spec(number)))
        assert session.usage[Speaker.THERAPIST].completion_tokens == 60


def test_a_failure_is_a_line_of_its_own_and_no_session(tmp_path: Path) -> None:
    path = tmp_path / "run"
    failure = Failure(spec(0), "EngineError", "500 *again*\nand again", "therapist/1", (turn(spec(0), 0),))
    with RunDir.create(path, record(sessions=1)) as run_dir:
        run_dir.start_session(spec(0))
        run_dir.record_turn("p-000", turn(spec(0), 0), view(0))
        run_dir.fail_session(failure)
        run_dir.end(RunStatus.FINISHED)
    assert (path / "sessions.jsonl").read_bytes() == b""
    (line,) = lines(path / "failures.jsonl")
    assert list(line) == ["session_id", "persona_id", "seed", "source", "error", "message", "where", "turns"]
    (read,) = read_failures(path / "failures.jsonl")
    assert (read.error, read.message, read.where, read.turns) == (
        "EngineError",
        failure.message,
        "therapist/1",
        failure.turns,
    )
    assert read_record(path).totals == Totals(
        sessions=1, failed=1, turns=1, prompt_tokens=100, cached_tokens=64, completion_tokens=20
    )
    assert "- ended: failed at therapist/1: EngineError: 500 \\*again\\* and again" in transcript(path, "p-000")


def transcript(path: Path, session_id: str) -> str:
    return (path / "transcripts" / f"{session_id}.md").read_text()


async def test_run_json_says_how_the_run_went(tmp_path: Path) -> None:
    path = await finished(tmp_path / "run")
    found = read_record(path)
    assert (found.status, found.resumed, found.timings) == (RunStatus.FINISHED, 0, {"run": 1.5})
    assert found.finished_at is not None
    assert found.totals.finished == 2
    assert found.totals.turns == 12
    assert json.loads((path / "run.json").read_text())["started_at"] == "2026-01-02T03:04:05Z"
    assert transcript(path, "p-001").startswith("# p-001\n")


def test_run_json_takes_engines_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    engine = EngineInfo("vllm", "m", 9000, kv_cache_tokens=40_000, details=(("vllm", "0.32.0"),))
    with RunDir.create(tmp_path / "run", record()) as run_dir:
        run_dir.update(engines={"patient": engine}, timings={"load": 20.0})
        with pytest.raises(TypeError, match=r"run\.json has no \['engine'\]"):
            run_dir.update(engine=engine)
    assert read_record(tmp_path / "run").engines == {"patient": engine}
    assert read_record(tmp_path / "run").timings == {"load": 20.0}


async def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    path = await finished(tmp_path / "run")
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(StorageError, match=r"already holds a run; resume it \(python -m harness resume"):
        RunDir.create(path, record())
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == {
        **before,
        path / ".lock": (path / ".lock").read_bytes(),
    }


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StorageError, match=r"holds other files \(thesis\.tex"):
        RunDir.create(tmp_path, record())
    assert sorted(entry.name for entry in tmp_path.iterdir() if not entry.name.startswith(".")) == ["thesis.tex"]


def test_an_empty_folder_with_hidden_files_will_do(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    RunDir.create(tmp_path, record()).close()
    assert read_record(tmp_path).name == "sample"


@pytest.mark.parametrize("parent", ["file", "system"])
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, parent: str) -> None:
    """Also for root, whom permissions don't stop: below a file, and where the system allows no folders."""
    (tmp_path / "file").write_text("")
    path = (tmp_path / "file" if parent == "file" else Path("/proc/self")) / "run"
    with pytest.raises(StorageError, match="can't make the folder: ") as caught:
        RunDir.create(path, record())
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_one_process_cannot_open_a_run_twice(tmp_path: Path) -> None:
    with (
        RunDir.create(tmp_path / "run", record()),
        pytest.raises(StorageError, match=f"process {os.getpid()} is writing to this run"),
    ):
        RunDir.open(tmp_path / "run")
    RunDir.open(tmp_path / "run")[0].close()


def test_default_folders_never_collide(tmp_path: Path) -> None:
    """Many runs started in the same second get a folder each."""
    now = datetime(2026, 1, 2, 3, 4, 5)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: default_path("My run/1", now, tmp_path / "outputs"), range(40)))
    assert len(set(paths)) == 40
    assert {path.name for path in paths} >= {"My-run-1-20260102-030405", "My-run-1-20260102-030405-40"}


def test_trying_whether_a_folder_can_be_made_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that start at once often have folders beside each other, below one that none of them has made yet."""
    access, group = os.access, tmp_path / "group"

    def meanwhile(path: Path, mode: int) -> bool:
        (group / "other").mkdir(parents=True)
        return access(path, mode)

    monkeypatch.setattr(os, "access", meanwhile)
    check_writable(group / "mine")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["group", "other"]


@pytest.mark.parametrize("bad", ["file", "file/run", "link", "x" * 300])
def test_a_folder_that_cannot_be_made_is_found_before_the_run(bad: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(StorageError, match=r"can't write: .*; choose another run\.dir"):
        check_writable(tmp_path / bad)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_default_path_below_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    with pytest.raises(StorageError, match=r"outputs: can't make the folder"):
        default_path("x", datetime(2026, 1, 2), tmp_path / "outputs")


def test_latest_points_to_the_newest_run_of_outputs_only(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    for name in ("one", "two"):
        RunDir.create(outputs / name, record()).close()
        point_latest(outputs / name)
        assert (outputs / "latest").readlink() == Path(name)
    RunDir.create(tmp_path / "elsewhere" / "run", record()).close()
    point_latest(tmp_path / "elsewhere" / "run")
    assert [entry.name for entry in (tmp_path / "elsewhere").iterdir()] == ["run"]
    (outputs / "latest").unlink()
    (outputs / "latest").mkdir()
    RunDir.create(outputs / "three", record()).close()
    point_latest(outputs / "three")
    assert not (outputs / "latest").is_symlink(), "a folder that a user named so is left alone"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"sessions\.jsonl:2: left out: line: Invalid JSON"),
        ("{}", r"sessions\.jsonl:2: left out: session_id: Field required"),
        ('{"session_id": 3}', r"sessions\.jsonl:2: left out: session_id: Input should be a valid string, found '3'"),
    ],
)
async def test_readers_go_on_past_a_broken_line_and_name_it(
    tmp_path: Path, line: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = await finished(tmp_path / "run") / "sessions.jsonl"
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{line}\n{second}\n")
    assert len(list(read_sessions(path))) == 2
    assert re.search(said, caplog.text)


async def test_a_bad_turn_is_named_by_its_field(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = await finished(tmp_path / "run") / "sessions.jsonl"
    path.write_text(path.read_text().replace('"speaker":"therapist"', '"speaker":"doctor"', 1))
    assert len(list(read_sessions(path))) == 1
    assert re.search(r"sessions\.jsonl:1: left out: turns\.1\.speaker: Input should be 'patient' or", caplog.text)


async def test_a_last_line_without_newline_counts_where_it_is_whole(tmp_path: Path) -> None:
    """Files edited by hand often end so; a line that is still being written is left out."""
    path = await finished(tmp_path / "run") / "sessions.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert len(list(read_sessions(path))) == 2
    path.write_bytes(path.read_bytes()[:-1])
    assert len(list(read_sessions(path))) == 1


def test_no_run_and_a_damaged_run_json_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"holds no run \(no run\.json\)"):
        RunDir.open(tmp_path)
    (tmp_path / "run.json").write_text('{"name": "x"')
    with pytest.raises(StorageError, match=r"run\.json: line: Invalid JSON"):
        read_record(tmp_path)


def test_names_that_would_leave_the_folder_or_hide_an_event_are_bugs(tmp_path: Path) -> None:
    with RunDir.create(tmp_path / "run", record()) as run_dir:
        with pytest.raises(ValueError, match="can't be a file name"):
            run_dir.start_session(SessionSpec("../x", "p", 0, 0))
        with pytest.raises(ValueError, match="event of the journal itself"):
            run_dir.record_event("p-000", Event("turn", 0, Speaker.PATIENT))
        with pytest.raises(ValueError, match=r"\['time'\]"):
            run_dir.record_event("p-000", Event("nudge", 0, Speaker.PATIENT, {"time": 3}))


async def test_no_environment_variable_reaches_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-5f1d")
    monkeypatch.setenv("CANARY_URL", "https://user:sk-canary-5f1d@host")
    with RunDir.create(tmp_path / "run", record().model_copy(update={"provenance": collect()})) as run_dir:
        await play(run_dir, Progress(), [spec(0)], 4, 0)
        run_dir.end(RunStatus.FINISHED)
    files = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert len(files) == 6
    assert [file for file in files if b"canary" in file.read_bytes()] == []


async def test_a_folder_that_takes_no_new_files_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """The open journal can still be written, the transcript can't: the run stops, and every turn so far is kept."""
    path = tmp_path / "run"
    run_dir = RunDir.create(path, record())
    watching = asyncio.create_task(run_dir.watch())
    await asyncio.sleep(0)
    (path / "transcripts").rmdir()
    (path / "transcripts").write_text("")
    run_dir.start_session(spec(1))
    run_dir.record_turn("p-001", turn(spec(1), 0), view(0))
    await play(run_dir, Progress(), [spec(0)], 4)
    with pytest.raises(StorageError, match=r"p-000\.md: can't write: Not a directory"):
        await asyncio.wait_for(watching, 5)
    with pytest.raises(StorageError, match=r"p-000\.md: can't write: Not a directory"):
        run_dir.record_turn("p-001", turn(spec(1), 1), view(1))
    with pytest.raises(StorageError, match=r"p-000\.md: can't write: Not a directory"):
        run_dir.close()
    (path / "transcripts").unlink()
    run_dir, progress = RunDir.open(path)
    run_dir.close()
    assert (progress.finished, progress.turns) == ({"p-000"}, 5)
    assert transcript(path, "p-000").startswith("# p-000\n")


async def test_a_bug_in_the_transcript_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: SessionResult | Failure) -> str:
        raise RuntimeError("bug")

    monkeypatch.setattr("harness.store.run_dir.transcript", fail)
    run_dir = RunDir.create(tmp_path / "run", record())
    watching = asyncio.create_task(run_dir.watch())
    await asyncio.sleep(0)
    await play(run_dir, Progress(), [spec(0)], 4)
    with pytest.raises(StorageError, match=r"p-000\.md: not written: RuntimeError\('bug'\)"):
        await asyncio.wait_for(watching, 5)
    with pytest.raises(StorageError, match="not written"):
        run_dir.close()


async def test_transcripts_that_can_not_wait_any_longer_are_written_at_once(tmp_path: Path) -> None:
    held = threading.Event()
    with RunDir.create(tmp_path / "run", record()) as run_dir:
        run_dir._transcripts.submit(held.wait)
        try:
            for number in range(MOST_WAITING + 3):
                run_dir.start_session(spec(number))
                run_dir.finish_session(SessionResult(spec(number), StopReason.MAX_EXCHANGES, ()), {})
            written = {path.stem for path in (tmp_path / "run" / "transcripts").iterdir()}
            assert written == {spec(MOST_WAITING + late).session_id for late in range(3)}
        finally:
            held.set()
    assert len(list((tmp_path / "run" / "transcripts").iterdir())) == MOST_WAITING + 3
