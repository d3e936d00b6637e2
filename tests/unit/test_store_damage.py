"""Damage that a power cut, a server or a stranger leaves in a run folder, and what becomes of it."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StorageError
from harness.reading.files import MOST_BYTES
from harness.store.records import RunStatus, read_record, read_sessions
from harness.store.repair import repair
from harness.store.resume import Progress, load_progress
from harness.store.run_dir import RunDir
from harness.types import Turn
from tests.store_samples import metrics, play, record, spec, turn, view


async def played(folder: Path, sessions: int = 2, turns: int = 6) -> Path:
    with RunDir.create(folder, record(sessions=sessions)) as run_dir:
        await play(run_dir, Progress(), [spec(number) for number in range(sessions)], turns)
        run_dir.end(RunStatus.FINISHED)
    return folder


def lines(folder: Path) -> list[bytes]:
    return (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt_tokens": 1e30},
        {"prompt_tokens": 2**63},
        {"completion_tokens": 2.5},
        {"cached_tokens": "12"},
        {"cached_tokens": -3},
        {"latency_s": math.nan},
        {"latency_s": math.inf},
        {"latency_s": 10**400},
        {"max_model_len": None},
    ],
)
async def test_a_count_that_is_none_never_locks_a_run(wrong: dict[str, Any], tmp_path: Path) -> None:
    """Written, read again, gone on with and reported, whatever a server called usage."""
    said = Turn(**{**{f: getattr(turn(spec(0), 0), f) for f in Turn.__dataclass_fields__}, **wrong})
    with RunDir.create(tmp_path / "run", record(sessions=2)) as run_dir:
        run_dir.start_session(spec(0))
        run_dir.record_turn("p-000", said, view(0))
        await play(run_dir, Progress(), [spec(1)], 2)
        run_dir.update(name="x")
    totals = read_record(tmp_path / "run").totals
    assert totals.turns == 3
    run_dir, progress = RunDir.open(tmp_path / "run")
    run_dir.close()
    (again,) = progress.in_progress["p-000"].turns
    (key,) = wrong
    assert getattr(again, key) == (12 if wrong[key] == "12" else 2 if wrong[key] == 2.5 else 0)


@pytest.mark.parametrize("number", [10**30, 2**64, -(2**70)])
async def test_numbers_of_more_than_64_bits_are_written_in_events_too(number: int, tmp_path: Path) -> None:
    with RunDir.create(tmp_path / "run", record(sessions=1)) as run_dir:
        run_dir.start_session(spec(0), note=number)
    assert load_progress(tmp_path / "run").in_progress["p-000"].started["note"] == pytest.approx(number)


@pytest.mark.parametrize("bad", ["../../x", "/etc/passwd", "", "a/b", "x" * 300, 7, ["a"], "a\n"])
async def test_ids_of_a_journal_lead_to_no_file_outside(bad: object, tmp_path: Path) -> None:
    folder = await played(tmp_path / "a" / "run", sessions=1)
    mangled = [json.loads(line) | {"session_id": bad} for line in lines(folder)]
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in mangled))
    (folder / "sessions.jsonl").write_text("")
    with pytest.raises(StorageError, match=r"journal\.jsonl:1: session_id: found .*, expected the id of a session"):
        RunDir.open(folder)
    assert sorted(name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".md")) == ["p-000.md"]


@pytest.mark.parametrize("bad", ["../../secret", "/etc/passwd", "", 3, "a/b"])
async def test_names_of_shards_lead_to_no_file_outside(bad: object, tmp_path: Path) -> None:
    folder = await played(tmp_path / "run", sessions=1)
    (tmp_path / "secret.jsonl").write_text('{"event":"turn","session_id":"p-000"}\n')
    for event in ({"event": "handed_out", "session_id": "p-000"}, {"event": "shard_closed", "session_id": None}):
        with (folder / "journal.jsonl").open("a") as file:
            file.write(json.dumps({**event, "time": 1.0, "shard": bad, "size": 9}) + "\n")
        with pytest.raises(StorageError, match=r"shard: found .*, expected the name of a shard"):
            RunDir.open(folder)


async def test_a_hole_in_the_last_write_is_what_a_power_cut_leaves(tmp_path: Path) -> None:
    """What stood before it counts; whole lines behind it are of the same write and may lack their beginning."""
    folder = await played(tmp_path / "run")
    before = lines(folder)
    content = b"".join(before)
    hole = len(b"".join(before[:-4])) + 20
    (folder / "journal.jsonl").write_bytes(content[:hole] + b"\0" * 300 + content[hole + 300 :])
    (folder / "sessions.jsonl").write_text("")
    run_dir, progress = RunDir.open(folder)
    run_dir.close()
    assert progress.turns == sum(b'"event":"turn"' in line for line in before[:-4])
    assert lines(folder)[: len(before) - 4] == before[:-4]
    assert b"\0" not in (folder / "journal.jsonl").read_bytes()


async def test_a_file_that_was_only_made_longer_is_cut(tmp_path: Path) -> None:
    folder = await played(tmp_path / "run")
    content = (folder / "journal.jsonl").read_bytes()
    (folder / "journal.jsonl").write_bytes(content + b"\0" * 5000)
    RunDir.open(folder)[0].close()
    assert (folder / "journal.jsonl").read_bytes().startswith(content + b'{"event":"resumed"')


async def test_a_hole_that_the_run_outlived_is_damage(tmp_path: Path) -> None:
    folder = await played(tmp_path / "run")
    content = (folder / "journal.jsonl").read_bytes()
    late = json.dumps({"event": "resumed", "session_id": None, "time": json.loads(lines(folder)[-1])["time"] + 100})
    (folder / "journal.jsonl").write_bytes(content[:-400] + b"\0" * 100 + content[-300:] + late.encode() + b"\n")
    with pytest.raises(StorageError, match="broken line"):
        RunDir.open(folder)


async def test_a_line_that_is_too_long_to_read_costs_nothing_behind_it(tmp_path: Path) -> None:
    """It is damage in the middle, not the torn end of the file, which is cut."""
    folder = await played(tmp_path / "run")
    before = lines(folder)
    endless = b'{"event":"turn","text":"' + b"x" * MOST_BYTES + b'"}\n'
    content = b"".join([*before[:3], endless, *before[3:]])
    (folder / "journal.jsonl").write_bytes(content)
    with pytest.raises(StorageError, match=r"journal\.jsonl:4: broken line"):
        RunDir.open(folder)
    assert (folder / "journal.jsonl").read_bytes() == content


async def test_a_repair_drops_what_is_broken_and_says_so(tmp_path: Path) -> None:
    """Session 0 lost its turn 3 and goes on from there; session 1 is as it was. Nothing is thrown away."""
    folder = await played(tmp_path / "run")
    before = lines(folder)
    whole = (folder / "journal.jsonl").read_bytes()
    place = next(i for i, line in enumerate(before) if b'"p-000"' in line and b'"index":3' in line)
    before[place] = b'{"event":"tu\xff\n'
    damaged = b"".join(before)
    (folder / "journal.jsonl").write_bytes(damaged)
    with pytest.raises(StorageError, match=rf"journal\.jsonl:{place + 1}: broken line.*harness repair"):
        RunDir.open(folder)
    said = repair(folder)
    assert f"dropped journal.jsonl:{place + 1}: broken line" in said[0]
    assert any("session p-000: continues from turn 3; " in line for line in said)
    assert (folder / "journal.jsonl.damaged").read_bytes() == damaged
    assert read_record(folder).status is RunStatus.INTERRUPTED
    assert [session.session_id for session in read_sessions(folder / "sessions.jsonl")] == ["p-001"]
    run_dir, progress = RunDir.open(folder)
    with run_dir:
        await play(run_dir, progress, [spec(0), spec(1)], 6)
    assert {s.session_id: s.turns for s in read_sessions(folder / "sessions.jsonl")} == {
        f"p-00{n}": tuple(turn(spec(n), i) for i in range(6)) for n in range(2)
    }
    assert repair(folder) == []
    assert whole != damaged


async def test_a_lost_last_turn_does_not_make_a_shorter_session(tmp_path: Path) -> None:
    """The end that follows a broken line counts only where sessions.jsonl knows of as many turns."""
    for known in (True, False):
        folder = await played(tmp_path / f"run-{known}", sessions=1)
        broken = [b"{\n" if b'"index":5' in line else line for line in lines(folder)]
        (folder / "journal.jsonl").write_bytes(b"".join(broken))
        if not known:
            (folder / "sessions.jsonl").write_text("")
        repair(folder)
        progress = load_progress(folder)
        assert progress.finished == set()
        assert len(progress.in_progress["p-000"].turns) == 5


async def test_a_journal_without_an_end_that_sessions_jsonl_knows_is_repaired(tmp_path: Path) -> None:
    folder = await played(tmp_path / "run")
    (folder / "journal.jsonl").write_bytes(b"".join(lines(folder)[:5]))
    with pytest.raises(StorageError, match="which the journal lacks; restore the complete journal"):
        RunDir.open(folder)
    assert any("session p-001: finished in sessions.jsonl" in line for line in repair(folder))
    RunDir.open(folder)[0].close()


async def test_lines_written_twice_in_a_derived_file_lock_nobody_out(tmp_path: Path) -> None:
    path = await played(tmp_path / "run") / "sessions.jsonl"
    path.write_bytes(path.read_bytes() * 2)
    RunDir.open(path.parent)[0].close()
    assert len(list(read_sessions(path))) == 2


async def test_a_retried_session_leaves_no_transcript_that_says_failed(tmp_path: Path) -> None:
    """Killed after its end was journalled and before its page was written again."""
    folder = await played(tmp_path / "run", sessions=1)
    page = folder / "transcripts" / "p-000.md"
    right = page.read_text()
    page.write_text(right.replace("max\\_exchanges", "failed at therapist/1"))
    RunDir.open(folder)[0].close()
    assert page.read_text() == right


@pytest.mark.parametrize("name", ["run.json", "journal.jsonl", "sessions.jsonl"])
async def test_a_pipe_or_an_endless_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    folder = await played(tmp_path / "run", sessions=1)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(StorageError):
        list(read_sessions(folder / name)) if name == "sessions.jsonl" else RunDir.open(folder)


@pytest.mark.parametrize("key", ["provenance", "totals", "timings", "engines", "finished_at", "resumed", "status"])
async def test_what_only_tells_of_a_run_keeps_nobody_from_it(key: str, tmp_path: Path) -> None:
    folder = await played(tmp_path / "run", sessions=1)
    content = json.loads((folder / "run.json").read_text())
    values: tuple[Any, ...] = (None, "x", -1.5, [1], {"a": {"b": []}}, 1e30)
    for value in values:
        (folder / "run.json").write_text(json.dumps({**content, key: value}))
        RunDir.open(folder)[0].close()
    assert metrics(spec(0))["by_speaker"] == {"patient": 0}
