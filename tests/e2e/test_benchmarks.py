"""The benchmarks start, say how they ended, and write what they measured."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.fixtures.processes import ROOT

BENCH = ROOT / "scripts" / "bench"
SCRIPTS = sorted(path.name for path in BENCH.glob("*.py") if "__main__" in path.read_text("utf-8"))


def bench(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)


def test_no_file_hides_a_module_of_the_standard_library() -> None:
    """Each benchmark's folder comes first on its path."""
    assert not {path.stem for path in BENCH.glob("*.py")} & sys.stdlib_module_names


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_says_how_to_use_it(script: str) -> None:
    done = bench(script, "--help")
    assert done.returncode == 0, done.stderr
    assert script in done.stdout


def test_overhead_gives_the_cost_of_a_turn_as_a_multiple_of_the_reference(tmp_path: Path) -> None:
    done = bench("overhead.py", "--part", "cpu", "--sessions", "10", "--rounds", "1", "--json", tmp_path / "cpu.json")
    assert done.returncode in (0, 1), done.stderr
    found = json.loads((tmp_path / "cpu.json").read_text("utf-8"))
    medians = found["medians"]
    assert medians["turns"] == 400
    assert medians["cpu_references_a_turn"] == pytest.approx(medians["cpu_ms_a_turn"] / medians["reference_ms"])
    assert done.returncode == (medians["cpu_references_a_turn"] > found["limits"]["cpu_references_a_turn"])
    assert found["machine"]["cpu"]


@pytest.mark.parametrize("script", ["saturation.py", "peers.py"])
def test_a_wrong_setting_is_told_from_a_bound_that_was_missed(script: str) -> None:
    done = bench(script, "--sessions", "2", "therapist.max_new_tokens=no")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.engine
@pytest.mark.parametrize("script", ["saturation.py", "peers.py"])
def test_what_could_not_be_measured_is_told_from_a_bound_that_was_missed(script: str, tmp_path: Path) -> None:
    """An engine argument that vLLM refuses when it starts, before it loads the model."""
    pytest.importorskip("vllm", reason="needs vLLM")
    done = bench(script, "--sessions", "2", "--json", tmp_path / "found.json", "engine.args.quantization=nosuch")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "not measured" in done.stderr


def test_a_shape_is_a_model_folder_without_weights(small_model: Path, tmp_path: Path) -> None:
    done = bench("shapes.py", "tiny", tmp_path / "tiny", "--tokenizer", small_model)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "tiny" / "config.json").read_text("utf-8"))
    assert config["vocab_size"] == json.loads((small_model / "config.json").read_text("utf-8"))["vocab_size"]
    assert not list((tmp_path / "tiny").glob("*.safetensors"))


def test_the_gpu_benchmark_writes_how_each_step_ended(tmp_path: Path) -> None:
    done = bench("gpu.py", tmp_path, "doctor")
    found = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    assert found["steps"]["doctor"]["exit_code"] == done.returncode
    assert (tmp_path / "doctor.log").read_text("utf-8").startswith("{")


def test_a_round_with_a_failed_session_counts_only_if_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    recorded = import_module("recorded")
    measured = [
        ("ours", 100, 0),
        ("ours", 120, 0),
        ("theirs", 10, 3),
        ("theirs", 90, 0),
        ("lost", 7, 1),
        ("lost", 9, 1),
    ]
    rounds = [recorded.Round(way, tokens, 1.0, failed) for way, tokens, failed in measured]
    assert recorded.medians(rounds) == {"ours": 110, "theirs": 90, "lost": 8}
