"""Patients as users ask for them, on the dry engine: sampled ones, and runs of them that are interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.personas.sampler import sample
from harness.personas.schema import persona_hash
from tests.e2e.test_run import dry, sessions
from tests.fixtures.processes import ROOT, harness


def said(folder: Path) -> dict[object, list[object]]:
    """The turns of every session, without what depends on the clock."""
    found: dict[object, list[object]] = {}
    for session in sessions(folder):
        turns = session["turns"]
        assert isinstance(turns, list)
        found[session["session_id"]] = [(turn["text"], turn.get("patient_state")) for turn in turns]
    return found


def interrupted(small_model: Path, folder: Path, *overrides: str) -> None:
    """A run that gets Ctrl-C as soon as a few turns are on disk."""
    given = ["engine=dry", "engine.latency_s=0.2", f"model.path={small_model}", f"run.dir={folder}", *overrides]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", *given], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    journal, until = folder / "journal.jsonl", time.monotonic() + 90
    try:
        while not (journal.exists() and journal.read_text().count('"turn":{') >= 5):
            assert process.poll() is None, "the run ended before it could be interrupted"
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()


def test_sampled_personas_are_played_and_hashed(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = dry(
        small_model, folder, "max_exchanges=2", "personas.sample=3", "personas.sample_seed=7", "personas=two-cups"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "run.json").read_text())
    sampled = {persona.id: persona_hash(persona) for persona in sample(3, 7)}
    assert {key: value for key, value in record["persona_hashes"].items() if key != "two-cups"} == sampled
    assert {session["persona_id"] for session in sessions(folder)} == {"two-cups", *sampled}


def test_an_interrupted_run_of_sampled_personas_goes_on_as_if_nothing_had_happened(
    small_model: Path, tmp_path: Path
) -> None:
    overrides = ["max_exchanges=5", "personas.sample=2", "seed=11"]
    interrupted(small_model, tmp_path / "cut", *overrides)
    assert harness("resume", str(tmp_path / "cut")).returncode == 0
    assert dry(small_model, tmp_path / "whole", *overrides).returncode == 0
    assert said(tmp_path / "cut") == said(tmp_path / "whole")
    assert set(said(tmp_path / "whole")) == {"sampled-11-0000-000", "sampled-11-0001-000"}


def test_personas_are_written_with_a_model_and_the_dry_engine_writes_none(small_model: Path, tmp_path: Path) -> None:
    made = harness(
        *("personas", "sample", "2", "--seed", "4", "--out", str(tmp_path / "mine")),
        *("--write-with", "smollm2-135m", f"model.path={small_model}", "engine=dry"),
    )
    assert made.returncode == 0, made.stderr
    assert "sampled-4-0000: no narrative by " in made.stderr
    assert "0 of 2 narratives written by the model" in made.stderr
    checked = harness("personas", "validate", str(tmp_path / "mine"))
    assert checked.returncode == 0, checked.stderr
    assert "no narrative by" in (tmp_path / "mine" / "sampled-4-0001.yaml").read_text()


def test_a_persona_that_is_named_and_sampled_is_refused(small_model: Path, tmp_path: Path) -> None:
    made = harness("personas", "sample", "1", "--seed", "4", "--out", str(tmp_path / "mine"))
    assert made.returncode == 0, made.stderr
    given = ["personas=sampled-4-0000", f"persona_dir={tmp_path / 'mine'}", "personas.sample=2", "seed=4"]
    done = dry(small_model, tmp_path / "run", *given)
    assert done.returncode == 2
    assert "sampled-4-0000, which is also in personas" in done.stderr


def test_a_patient_appraised_and_checked_by_its_own_model_goes_on_where_it_was_cut_off(
    small_model: Path, tmp_path: Path
) -> None:
    """With state and self-check by the model, every prompt still fits a small window, and a resume changes nothing."""
    overrides = ["max_exchanges=5", "patient.state=model", "patient.self_check=model", "engine.max_model_len=1024"]
    interrupted(small_model, tmp_path / "cut", *overrides)
    assert harness("resume", str(tmp_path / "cut")).returncode == 0
    assert dry(small_model, tmp_path / "whole", *overrides).returncode == 0
    assert said(tmp_path / "cut") == said(tmp_path / "whole")
    (session,) = sessions(tmp_path / "whole")
    events = session["events"]
    assert isinstance(events, list)
    assert [event["turn"] for event in events if event["kind"] == "appraisal"] == [2, 4, 6, 8]
    assert {event["by"] for event in events if event["kind"] == "appraisal"} == {"model"}
    assert {event["by"] for event in events if event["kind"] == "self_check"} >= {"model"}
