"""What a person and a script get from `run`, `list` and the shell's completion."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.cli.commands import COMMANDS
from tests.fixtures.processes import ROOT

DRY = ["engine=dry", "personas=[two-cups]", "max_exchanges=2"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_the_outcome_as_json_is_all_that_stdout_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    code, out, err = run(capsys, "run", *DRY, f"run.dir={folder}", "--json")
    told = json.loads(out)
    assert code == told["exit_code"] == 0
    assert (told["path"], told["status"]) == (str(folder), "finished")
    assert told["totals"]["turns"] == 4
    assert "sessions in flight" in err


def test_a_mistake_is_told_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "run", *DRY, "max_exchange=2", "--json")
    told = json.loads(out)
    assert code == told["exit_code"] == 2
    assert "max_exchange" in told["errors"][0]
    assert told["errors"][0] in err


def test_quiet_says_the_folder_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert run(capsys, "run", *DRY, f"run.dir={folder}", "--quiet") == (0, f"{folder}\n", "")


def test_a_sweep_tells_every_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "run", "-m", *DRY, "therapist=act,cbt", f"run.dir={tmp_path / 'sweep'}", "--json", "--quiet"
    )
    told = json.loads(out)
    assert code == told["exit_code"] == 0
    assert [(point["therapist"], point["state"]) for point in told["points"]] == [
        ("act", "finished"),
        ("cbt", "finished"),
    ]


def test_a_dry_run_checks_and_plays_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    code, out, _ = run(capsys, "run", "--dry-run", *DRY, f"run.dir={folder}", "sessions_per_persona=3")
    assert code == 0
    assert "3 sessions, at most 12 turns" in out
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["personas=[nobody]"], "nobody"),
        (["engine.max_model_len=300"], "max_model_len=300"),
        (
            ["-m", "therapist=act,cbt", "engine.max_model_len=8192,300"],
            "point therapist=act engine.max_model_len=300 (and 1 more)",
        ),
        (["patient=replay", "patient.transcript=/nowhere.txt"], "/nowhere.txt"),
    ],
)
def test_a_dry_run_finds_what_a_run_would_be_refused_for(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    code, _, err = run(capsys, "run", "--dry-run", "engine=dry", *words)
    assert code == 2
    assert expected in err


@pytest.mark.parametrize(
    "words",
    [
        ["--all", "--quiet"],
        ["--cfg", "job", "--json"],
        ["--dry-run", "--strict"],
        ["-m", "--all"],
        ["--all", "engine=openai"],
    ],
)
def test_an_option_without_effect_is_refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, _, err = run(capsys, "run", "engine.base_url=http://127.0.0.1:9/v1", *words)
    assert code == 2
    assert "effect" in err


def test_what_there_is_can_be_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "therapist").mkdir()
    (tmp_path / "therapist" / "mine.yaml").write_text("# My own prompt\nname: mine\n")
    code, out, _ = run(capsys, "list", "--json", "--config-dir", str(tmp_path))
    found = json.loads(out)
    assert code == 0
    assert found["therapists"]["mine"] == "My own prompt"
    engines = set(found["engines"]) - {"scripted"}  # there once something in this process has judged
    assert engines == {"auto", "vllm", "openai", "transformers", "dry"}
    assert len(found["personas"]) == len(list((ROOT / "personas").glob("*.yaml")))
    assert "facts still in the therapist's view" in found["metrics"]["retention.share"]
    assert all(about and "@" not in about for kind in found.values() for about in kind.values())


def at_a_terminal(command: list[str]) -> tuple[int, str]:
    """Exit code of a command, and what it shows on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux says so at the end of a terminal
            while block := os.read(ours, 1 << 16):
                shown += block
    os.close(ours)
    return process.returncode, shown.decode()


def test_the_first_line_comes_before_anything_heavy_is_loaded() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "harness", "run", "engine=nothing"]
    code, shown = at_a_terminal(command)
    assert code == 2
    before, _, after = shown.partition("reading and checking settings")
    heavy = ("pydantic", "hydra", "rich", "transformers", "torch", "yaml", "numpy", "aiohttp")
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in before.splitlines()}
    assert not loaded & set(heavy)
    assert "hydra" in after


def completions(line: str) -> list[str]:
    """What the shell would be offered."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n"}
    environment |= {"_ARGCOMPLETE_SHELL": "bash", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = [
        sys.executable,
        "-c",
        "import os, runpy; os.dup2(1, 8); runpy.run_module('harness', run_name='__main__')",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return [found.strip() for found in done.stdout.splitlines()]


def test_the_shell_completes_commands_options_and_settings() -> None:
    assert set(completions("harness ")) >= set(COMMANDS)
    assert "--dry-run" in completions("harness run --dr")
    assert "therapist=cbt" in completions("harness run therapist=")
