"""What a run leaves behind that could not begin, and what it says of its time."""

import shutil
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.engines.dry.engine import DryEngine
from harness.errors import EngineError
from harness.store.outputs import OUTPUTS
from harness.store.records import RunStatus, read_record
from harness.sweeps.record import PointState, read_sweep
from tests.e2e.test_old_run_folders import FIXTURE

WORDS = ["engine=dry", "model.path=tokenizer", "persona_dir=personas", "personas=[neighbour]", "max_exchanges=1"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(FIXTURE / "tokenizer", tmp_path / "tokenizer")
    shutil.copytree(FIXTURE / "personas", tmp_path / "personas")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(self: DryEngine) -> None:
        raise EngineError("no engine today")

    monkeypatch.setattr(DryEngine, "start", start)


def test_an_engine_that_does_not_start_leaves_no_run_and_the_newest_as_it_was(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *WORDS, "run.name=first"]) == 0
    newest = (place / OUTPUTS / "latest").readlink()
    before = sorted(path.name for path in (place / OUTPUTS).iterdir())
    with monkeypatch.context() as patched:
        broken(patched)
        assert main(["run", *WORDS, "run.name=second"]) == 3
        assert main(["run", *WORDS, "run.dir=here"]) == 3
    assert sorted(path.name for path in (place / OUTPUTS).iterdir()) == before
    assert (place / OUTPUTS / "latest").readlink() == newest
    assert not (place / "here").exists()
    said = capsys.readouterr().err
    assert "no engine today" in said
    assert "what was said is kept" not in said
    assert main(["run", *WORDS, "run.dir=here"]) == 0


def test_what_engines_said_stays_and_keeps_no_run_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        broken(patched)
        (place / "here" / "logs").mkdir(parents=True)
        (place / "here" / "logs" / "engine-0.log").write_text("CUDA says no")
        assert main(["run", *WORDS, "run.dir=here"]) == 3
    assert [path.name for path in (place / "here").iterdir()] == ["logs"]
    assert main(["run", *WORDS, "run.dir=here"]) == 0


def test_a_run_that_had_begun_is_kept_where_its_engine_does_not_start_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FIXTURE / "killed", place / "here")
    with monkeypatch.context() as patched:
        broken(patched)
        assert main(["resume", "here"]) == 3
    record = read_record(place / "here")
    assert record.status is RunStatus.FAILED
    assert main(["resume", "here"]) == 0
    again = read_record(place / "here")
    assert again.totals.finished == again.totals.sessions > record.totals.finished


def test_points_whose_engine_does_not_start_say_why_and_are_tried_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        broken(patched)
        assert main(["run", "-m", *WORDS, "seed=0,1", f"run.dir={OUTPUTS}/s"]) == 3
    assert not (place / OUTPUTS / "latest").is_symlink()
    points = read_sweep(place / OUTPUTS / "s").points
    assert {point.state for point in points} == {PointState.FAILED}
    assert {point.error for point in points} == {"no engine today"}
    assert main(["resume", f"{OUTPUTS}/s"]) == 0
    assert (place / OUTPUTS / "latest").readlink() == Path("s")


def test_seconds_are_recorded_by_phase_and_add_up_over_processes(place: Path) -> None:
    assert main(["run", *WORDS, "run.dir=here"]) == 0
    first = read_record(place / "here").timings
    assert first.keys() == {"load", "run"}
    assert first["run"] > 0
    assert main(["resume", "here"]) == 0
    again = read_record(place / "here").timings
    assert all(again[phase] >= first[phase] for phase in first)


def test_a_sweep_that_is_only_to_be_printed_plays_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-m", *WORDS, "seed=0,1", "--cfg", "job", "run.dir=here"]) == 0
    out = capsys.readouterr().out
    assert out.count("---\n") == 2
    assert "seed=1" in out
    assert not (place / "here").exists()
