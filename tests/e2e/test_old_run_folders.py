"""A run folder of version 0.1 stays readable, and can be gone on with, by every command that takes one."""

import json
import shutil
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store.records import read_record, read_sessions
from harness.sweeps.record import PointState, read_sweep
from tests.sessions import FOLDER

FIXTURE = FOLDER.parent / "run_folders" / "v0.1"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the runs of version 0.1 were started; their paths are relative to it."""
    folder = tmp_path / "v0.1"
    shutil.copytree(FIXTURE, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("run", ["finished", "failed", "killed"])
def test_reports_are_written(old: Path, run: str) -> None:
    assert main(["report", run, "--metrics"]) == 0
    assert (old / run / "report.html").stat().st_size > 10_000


def test_metrics_measured_again_keep_retention(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of an older version are: what the therapist saw last is rebuilt from the journal."""
    path = old / "finished" / "sessions.jsonl"
    before = [json.loads(line)["metrics"] for line in path.read_text().splitlines()]
    stale = path.read_text().replace('"metrics_version":1', '"metrics_version":0')
    assert stale != path.read_text()
    path.write_text(stale)
    assert main(["report", "finished", "--metrics"]) == 0
    again = json.loads((old / "finished" / "metrics.json").read_text())["metrics"]
    assert any(metrics["retention"]["share"] is not None for metrics in before)
    assert "retention.share" in again
    assert "no retention" not in capsys.readouterr().err


@pytest.mark.parametrize("run", ["finished", "failed", "killed"])
def test_every_prompt_is_shown_with_the_recorded_count(old: Path, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    for turn in range(4):
        assert main(["show", run, "neighbour-000", "--turn", str(turn), "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert len(shown["ids"]) == shown["prompt_tokens"] > 0


def test_a_sweep_is_compared(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "sweep"]) == 0
    assert "hybrid" in capsys.readouterr().out


def test_a_run_is_compared_with_one_of_now(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What only the new one recorded tells them not apart; what they were asked to do does."""
    words = ["run", "engine=dry", "model.path=tokenizer", "persona_dir=personas", "personas=[neighbour,widower]"]
    words += ["max_exchanges=3", "patient.max_new_tokens=120", "therapist.max_new_tokens=120", "run.dir=new"]
    assert main([*words, "context=hybrid", "guard.mends=both"]) == 0  # as version 0.1 did
    capsys.readouterr()
    assert main(["compare", "finished", "new", "--json=-"]) == 0
    assert "sha256" not in capsys.readouterr().out


def test_a_killed_run_goes_on(old: Path) -> None:
    begun = (old / "killed" / "journal.jsonl").read_bytes()
    assert main(["resume", "killed"]) == 0
    assert (old / "killed" / "journal.jsonl").read_bytes().startswith(begun)
    record = read_record(old / "killed")
    assert (record.status, record.totals.finished) == ("finished", 4)
    assert all(len(session.turns) == 8 for session in read_sessions(old / "killed" / "sessions.jsonl"))


def test_failed_sessions_are_tried_again(old: Path) -> None:
    assert main(["resume", "failed", "--retry-failed"]) == 1
    assert read_record(old / "failed").totals.failed == 2


def test_an_old_sweep_goes_on_and_the_same_command_finds_its_points(old: Path) -> None:
    names = [point.folder for point in read_sweep(old / "sweep").points]
    shutil.rmtree(old / "sweep" / names[0])
    assert main(["resume", "sweep"]) == 0
    words = ["engine=dry", "model.path=tokenizer", "persona_dir=personas", "personas=[neighbour,widower]"]
    words += ["patient.max_new_tokens=120", "therapist.max_new_tokens=120", "max_exchanges=2"]
    assert main(["run", "-m", *words, "context=truncate,hybrid", "run.dir=sweep"]) == 0
    record = read_sweep(old / "sweep")
    assert {point.state for point in record.points} == {PointState.FINISHED}


def test_training_data_and_tables_come_from_it(old: Path) -> None:
    """Its journal has no sampled ids: completions are what the tokenizer makes of what was said."""
    assert main(["export", "finished", "--format", "sft", "--out", "data", "--keep", "all"]) == 0
    rows = [json.loads(line) for line in (old / "data" / "train.jsonl").read_text().splitlines()]
    assert rows
    assert not any(row["sampled"] for row in rows)
    said = {(s.session_id, t.index): t for s in read_sessions(old / "finished" / "sessions.jsonl") for t in s.turns}
    for row in rows:
        turn = said[row["session_id"], row["turn"]]
        assert (row["completion"], len(row["prompt_ids"])) == (turn.text, turn.prompt_tokens)
        assert row["source"] == "simulated"
    assert main(["export", "finished", "sweep", "--format", "parquet", "--out", "tables"]) == 0
    assert main(["branch", "finished", "--turn", "3", "--k", "2", "run.dir=branches"]) == 0
    assert read_record(old / "branches").totals.finished == 4
