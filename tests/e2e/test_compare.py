"""`harness compare` on runs that the harness played: from the command line to numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
PERSONAS = "personas=[skeptical-bullied-overwhelmed,left-in-march]"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Path:
    """Two context policies at a tight window, played by the dry engine."""
    folder = tmp_path_factory.mktemp("runs")
    for policy in ("truncate", "hybrid"):
        where = [f"run.dir={folder / policy}", f"context={policy}"]
        how = ["engine=dry", f"model.path={small_model}", "engine.max_model_len=2048", "max_exchanges=8"]
        assert main(["run", *how, *where, PERSONAS, "sessions_per_persona=4"]) == 0
    return folder


def harness(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_two_policies_are_compared_by_their_real_metrics(runs: Path) -> None:
    """JSON alone on standard output; the files beside it; the same numbers the second time."""
    page = runs / "comparison.md"
    done = harness("compare", str(runs), "--baseline", "truncate", "--json", "--markdown", str(page), "--all")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    names = {metric["name"] for metric in content["metrics"]}
    assert {"retention.share", "exchanges", "usage.prefill_per_generated", "course.state.trust.change"} <= names
    assert [setting["name"] for setting in content["settings"]] == ["hybrid", "truncate"]
    assert {d["pairs"] for m in content["metrics"] if m["name"] == "exchanges" for d in m["differences"]} == {8}
    assert "minus truncate" in page.read_text()
    assert harness("compare", str(runs), "--baseline", "truncate", "--json", "--all").stdout == done.stdout


def test_without_a_terminal_the_table_is_plain_text(runs: Path) -> None:
    done = harness("compare", str(runs / "truncate"), str(runs / "hybrid"))
    assert done.returncode == 0, done.stderr
    assert "truncate (baseline): context.policy=truncate; 8 sessions" in done.stdout
    assert "facts still in the therapist's view" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_run_alone_is_refused_without_a_traceback(runs: Path) -> None:
    done = harness("compare", str(runs / "hybrid"))
    assert done.returncode == 2
    assert "a single run can't be compared; give several runs, or a sweep folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1
