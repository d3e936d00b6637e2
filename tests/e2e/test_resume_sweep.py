"""Sweeps that go on under other settings or after damage, and runs of which nothing is left."""

import json
from pathlib import Path

import pytest

from harness.engines.dry.engine import DryEngine
from tests.fixtures.attacks import Command, commands


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return commands(capsys)


def _sweep(command: Command, small_model: Path, folder: Path, *words: str) -> None:
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "personas=[two-cups]", "max_exchanges=1")
    command("run", "-m", *given, "therapist=act,bare", *words, codes=[0, 1])


def _back(folder: Path, name: str, status: str = "interrupted") -> None:
    """Make a point one that was stopped before anything was said."""
    run = folder / name
    record = json.loads((run / "run.json").read_text())
    record["status"] = status
    record["totals"] = {**record["totals"], "finished": 0, "turns": 0}
    (run / "run.json").write_text(json.dumps(record))
    for file in ("journal.jsonl", "sessions.jsonl"):
        (run / file).write_text("")


def _away(folder: Path, name: str) -> None:
    """Make a point one that was not begun."""
    (folder / name).rename(folder.parent / "away")
    record = json.loads((folder / "sweep.json").read_text())
    record["points"] = [
        {**point, "state": "waiting"} if point["folder"] == name else point for point in record["points"]
    ]
    (folder / "sweep.json").write_text(json.dumps(record))


def _points(folder: Path) -> list[str]:
    return [point["folder"] for point in json.loads((folder / "sweep.json").read_text())["points"]]


def _latency(folder: Path, name: str) -> float:
    settings = json.loads((folder / name / "run.json").read_text())["config"]["therapist"]["engine"]
    return float(settings["latency_s"])


def test_a_sweep_goes_on_with_settings_that_cant_change_results(
    command: Command, small_model: Path, tmp_path: Path
) -> None:
    """Of points that were begun, and of those that were not."""
    folder = tmp_path / "sweep"
    _sweep(command, small_model, folder)
    begun, fresh = _points(folder)
    _back(folder, begun)
    _away(folder, fresh)
    done = command("resume", str(folder), "engine.latency_s=0.01", codes=[0])
    assert "points: 2 finished" in done.err
    assert [_latency(folder, name) for name in (begun, fresh)] == [0.01, 0.01]


@pytest.mark.parametrize("begun", [True, False])
def test_any_other_setting_is_refused_before_anything_is_changed(
    command: Command, small_model: Path, tmp_path: Path, begun: bool
) -> None:
    folder = tmp_path / "sweep"
    _sweep(command, small_model, folder)
    first, second = _points(folder)
    if begun:
        _back(folder, first)
    else:
        _away(folder, first)
    for words, said in (("seed=7", "seed: 0 -> 7"), ("nope=1", "not a setting"), ("run.dir=x", "its own folder")):
        done = command("resume", str(folder), words, codes=[1, 2])
        assert said in done.err
        assert all(line.startswith("error: ") for line in done.err.splitlines() if "point" in line)
    states = [point["state"] for point in json.loads((folder / "sweep.json").read_text())["points"]]
    assert "failed" not in states
    assert (folder / second / "sessions.jsonl").read_text()


def test_nothing_is_started_where_nothing_is_left(
    command: Command, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "personas=[two-cups]", "max_exchanges=1")
    command("run", *given, codes=[0])
    before = (folder / "sessions.jsonl").read_bytes()

    async def refused(self: DryEngine) -> None:
        raise AssertionError("an engine was started")

    monkeypatch.setattr(DryEngine, "start", refused)
    done = command("resume", str(folder), codes=[0])
    assert "nothing is left to play: 1/1 sessions finished" in done.err
    assert (folder / "sessions.jsonl").read_bytes() == before
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    (folder / "sessions.jsonl").write_text("")  # what derives from the journal is still written again
    command("resume", str(folder), codes=[0])
    assert (folder / "sessions.jsonl").read_bytes() == before


@pytest.mark.parametrize("damage", [b'{"poi', b"", b"\0" * 99, b"[]", None])
def test_a_damaged_record_of_a_sweep_is_written_again_from_its_runs(
    command: Command, small_model: Path, tmp_path: Path, damage: bytes | None
) -> None:
    folder = tmp_path / "sweep"
    _sweep(command, small_model, folder)
    names = set(_points(folder))
    whole = command("compare", str(folder), codes=[0]).out
    if damage is None:
        (folder / "sweep.json").unlink()
    else:
        (folder / "sweep.json").write_bytes(damage)
        said = command("compare", str(folder), codes=[1, 2]).err
        assert f"harness repair {folder}" in said.replace("\n", "")
    done = command("repair", str(folder), codes=[0])
    assert "written again from 2 run folders" in done.out
    assert set(_points(folder)) == names
    assert (folder / "sweep.json.damaged").exists() is (damage is not None)
    mended = command("compare", str(folder), codes=[0]).out
    assert sorted(mended.split()) == sorted(whole.split()) or "therapist" in mended
    assert "points: 2 finished" in command("resume", str(folder), codes=[0]).err
    assert "sweep.json is not damaged" in command("repair", str(folder), codes=[0]).out
    _sweep(command, small_model, folder)  # the sweep's own command finds its points again
    assert set(_points(folder)) == names


def test_a_folder_without_a_run_is_no_sweep_that_can_be_mended(command: Command, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{")
    assert "start it again" in command("repair", str(tmp_path), codes=[1, 2]).err
    assert (tmp_path / "sweep.json").read_text() == "{"
