"""A run that is stopped from outside: what it says, how soon it ends, and that a resumed run ends as an undisturbed one."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from tests.fixtures.processes import (
    comparable,
    count_turns,
    finish,
    harness,
    start,
    wait_for_turns,
    whole_lines,
)

SLOWLY = "engine.latency_s=0.05"
SOON_S = 10.0
"""From a signal to the end of the process; imports at the end of a run take most of it on a busy machine."""


def settings(small_model: Path, folder: Path) -> tuple[str, ...]:
    return (
        *("run", "engine=dry", f"model.path={small_model}", f"run.dir={folder}", "engine.max_model_len=1400"),
        *("personas=[two-cups,left-in-march]", "sessions_per_persona=2", "max_exchanges=6", "concurrency=3", "seed=9"),
        *("therapist.max_new_tokens=128", "patient.max_new_tokens=128"),
    )


@pytest.fixture(scope="module")
def undisturbed(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    done = harness(*settings(small_model, folder))
    assert done.returncode == 0, done.stderr
    return folder


def interrupted(
    folder: Path, words: Sequence[str], signals: Sequence[signal.Signals], turns: int = 6, pause_s: float = 0.05
) -> subprocess.CompletedProcess[str]:
    """Start a run, send it signals once it has journalled a few turns, and wait for its end."""
    process = start(*words)
    wait_for_turns(process, folder, turns)
    began = time.monotonic()
    for number in signals:
        os.killpg(process.pid, number)  # as a terminal does: to the whole group
        time.sleep(pause_s)
    done = finish(process, SOON_S + 20)
    assert time.monotonic() - began < SOON_S
    return done


def status(folder: Path) -> str:
    return str(orjson.loads((folder / "run.json").read_bytes())["status"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_saves_says_how_to_go_on_and_nothing_is_lost(
    number: signal.Signals, undisturbed: Path, small_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "a run"  # whose resume command has to be quoted
    done = interrupted(folder, (*settings(small_model, folder), SLOWLY), [number])
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert status(folder) == "interrupted"
    assert (folder / "journal.jsonl").read_bytes().endswith(b"\n")
    said = whole_lines(folder / "journal.jsonl")
    command = re.search(r"go on with: (python -m harness resume .*)", done.stderr)
    assert command is not None, done.stderr
    resumed = harness(*shlex.split(command[1])[3:])
    assert resumed.returncode == 0, resumed.stderr
    assert whole_lines(folder / "journal.jsonl").startswith(said)
    assert comparable(folder) == comparable(undisturbed)
    assert status(folder) == "finished"


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
def test_a_second_signal_stops_at_once_says_how_to_go_on_and_loses_no_turn(
    pause_s: float, undisturbed: Path, small_model: Path, tmp_path: Path
) -> None:
    """Whenever it comes: with the first one, while engines close, while folders do, or after that."""
    folder = tmp_path / "run"
    both = [signal.SIGINT, signal.SIGTERM]  # two alike that come together are one
    done = interrupted(folder, (*settings(small_model, folder), SLOWLY), both, pause_s=pause_s)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert f"go on with: python -m harness resume {folder}\n" in done.stderr
    turns = count_turns(folder)
    resumed = harness("resume", str(folder), "engine.latency_s=0")
    assert resumed.returncode == 0, resumed.stderr
    assert comparable(folder) == comparable(undisturbed)
    assert turns <= count_turns(folder) == sum(len(s["turns"]) for s in comparable(folder).values())


def test_a_second_process_is_refused_and_answers_under_way_are_not_waited_for(
    small_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    words = settings(small_model, folder)
    process = start(*words, "engine.latency_s=600")
    journal = folder / "journal.jsonl"
    while not journal.is_file() or b"session_started" not in journal.read_bytes():
        assert process.poll() is None, finish(process).stderr
        time.sleep(0.02)
    for second in (("resume", str(folder)), words):
        refused = harness(*second)
        assert refused.returncode == 2
        (line,) = refused.stderr.splitlines()
        assert f"{folder}: process {process.pid} is writing to this run" in line
    process.send_signal(signal.SIGTERM)
    assert finish(process, SOON_S).returncode == 130


def test_a_torn_last_line_is_cut_away_and_an_interrupted_resume_resumed(
    undisturbed: Path, small_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert interrupted(folder, (*settings(small_model, folder), SLOWLY), [signal.SIGINT]).returncode == 130
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if b'"event":"turn"' in line)
    journal.write_bytes(b"".join(lines[:last]) + lines[last][: len(lines[last]) // 2])
    again = interrupted(folder, ("resume", str(folder)), [signal.SIGTERM], count_turns(folder) + 4)
    assert again.returncode == 130, again.stderr
    assert harness("resume", str(folder), "engine.latency_s=0").returncode == 0
    assert comparable(folder) == comparable(undisturbed)
    assert orjson.loads((folder / "run.json").read_bytes())["resumed"] == 2


def test_a_changed_persona_or_setting_is_refused_with_the_difference(small_model: Path, tmp_path: Path) -> None:
    mine = tmp_path / "personas"
    mine.mkdir()
    source = Path(__file__).parents[2] / "personas" / "two-cups.yaml"
    shutil.copy(source, mine)
    folder = tmp_path / "run"
    words = (*settings(small_model, folder), f"persona_dir={mine}", SLOWLY)
    assert interrupted(folder, words, [signal.SIGINT]).returncode == 130
    said = (folder / "journal.jsonl").read_bytes()
    (mine / "two-cups.yaml").write_text(re.sub(r"(\n  age: )\d+", r"\g<1>71", source.read_text()))
    refused = harness("resume", str(folder))
    assert refused.returncode == 2
    assert "persona two-cups" in refused.stderr
    assert "Traceback" not in refused.stderr
    shutil.copy(source, mine)
    changed = harness("resume", str(folder), "max_exchanges=9", "engine.max_model_len=2000", "concurrency=2")
    assert changed.returncode == 2
    assert "  max_exchanges: 6 -> 9" in changed.stderr
    assert "  therapist.engine.max_model_len: 1400 -> 2000" in changed.stderr
    assert "concurrency" not in changed.stderr
    unknown = harness("resume", str(folder), "concurency=2")
    assert unknown.returncode == 2
    assert "did you mean concurrency" in unknown.stderr
    assert (folder / "journal.jsonl").read_bytes() == said
    free = harness("resume", str(folder), "concurrency=1", "engine.latency_s=0")
    assert free.returncode == 0, free.stderr
    assert orjson.loads((folder / "run.json").read_bytes())["config"]["concurrency"] == 1
