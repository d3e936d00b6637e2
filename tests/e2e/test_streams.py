"""What is left of a command when nobody reads its output: a run goes on, and exit codes mean what they always mean."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.processes import ROOT

WORDS = ("engine=dry", "max_exchanges=2", "sessions_per_persona=2")


def ended(*words: str, close: tuple[int, ...] = (), **streams: Any) -> int:
    """The exit code of a command with these streams; those in `close` are closed."""
    shell = " ".join(f"{number}>&-" for number in close)
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {shell}', "sh", sys.executable, "-m", "harness", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams},
    ).returncode


def unread() -> int:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def lost_terminal() -> int:
    """A terminal that is gone."""
    master, slave = pty.openpty()
    os.close(master)
    return slave


def status(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["status"])


@pytest.mark.parametrize("stderr", [unread, lost_terminal, lambda: os.open("/dev/full", os.O_WRONLY)])
def test_a_run_goes_on_if_its_notes_can_not_be_shown(stderr: Any, tmp_path: Path) -> None:
    assert ended("run", *WORDS, f"run.dir={tmp_path / 'run'}", stderr=stderr()) == 0
    assert status(tmp_path / "run") == "finished"


@pytest.mark.parametrize("close", [(1,), (2,), (0, 1, 2)])
def test_a_run_needs_no_open_streams(close: tuple[int, ...], tmp_path: Path) -> None:
    assert ended("run", *WORDS, f"run.dir={tmp_path / 'run'}", "--json", close=close) == 0
    assert status(tmp_path / "run") == "finished"


@pytest.mark.parametrize("words", [("doctor",), ("list",), ("personas", "list")])
def test_a_closed_output_ends_a_command_with_a_code_of_its_own(words: tuple[str, ...]) -> None:
    assert ended(*words, stdout=unread()) == 141


def test_a_mistake_keeps_its_code_if_it_can_not_be_told() -> None:
    assert ended("run", "engine=dry", "seed=x", stderr=unread()) == 2
