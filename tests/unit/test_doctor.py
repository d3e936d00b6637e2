"""`harness doctor` says what is so, what mends it, and whether a run is possible; fast, and on broken machines too."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli import doctor
from harness.cli.doctor import Gpu, Status


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return parser.parse_args(words)


def test_this_machine_can_run_and_the_answer_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from harness.cli import doctor; doctor.examine()\n"
        "heavy = {'torch', 'vllm', 'transformers', 'numpy', 'ray'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_json_holds_every_check_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.main(arguments("--json"))
    answer = json.loads(capsys.readouterr().out)
    assert answer["run_possible"] is (code == 0)
    assert {check["name"] for check in answer["checks"]} >= {"Python", "GPU", "torch", "vLLM", "small model", "cache"}
    assert all(set(check) == {"name", "status", "found", "remedy"} for check in answer["checks"])


def test_the_plain_table_names_what_is_missing_and_the_command_that_mends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "version", lambda name: None if name == "torch" else "1.0")
    assert doctor.main(arguments()) == 3
    lines = capsys.readouterr().out.splitlines()
    row = next(index for index, line in enumerate(lines) if line.split()[:2] == ["missing", "torch"])
    assert "fix: scripts/quickstart" in lines[row + 1]
    assert lines[-1].startswith("No run is possible")


@pytest.mark.parametrize(
    ("gpu_build", "cpu_build", "has_gpu", "status", "says"),
    [
        ("0.32.0", None, True, Status.OK, "GPU build"),
        (None, "0.32.0", False, Status.OK, "CPU build"),
        (None, "0.32.0", True, Status.WARNING, "leaves the GPU idle"),
        ("0.32.0", None, False, Status.WARNING, "no GPU was found"),
        ("0.32.0", "0.32.0", True, Status.MISSING, "overwrite each other"),
        (None, None, True, Status.OPTIONAL, "engine=auto takes transformers"),
        (None, None, False, Status.OPTIONAL, "engine=auto takes transformers"),
    ],
)
def test_vllm_is_judged_by_its_build_and_the_gpu(
    gpu_build: str | None, cpu_build: str | None, has_gpu: bool, status: Status, says: str
) -> None:
    check = doctor.check_vllm(gpu_build, cpu_build, has_gpu=has_gpu)
    assert check.status is status
    assert says in check.found
    assert (check.remedy is None) is (status is Status.OK)


@pytest.mark.parametrize(
    ("found", "status"),
    [((3, 10, 13), Status.MISSING), ((3, 11, 0), Status.OK), ((3, 13, 9), Status.OK), ((3, 14, 0), Status.MISSING)],
)
def test_python_outside_the_supported_versions_is_missing(found: tuple[int, int, int], status: Status) -> None:
    assert doctor.check_python(found).status is status


def test_gpus_are_read_from_nvidia_smi() -> None:
    output = "NVIDIA H100 80GB HBM3, 81559, 80995\nOdd, Name, 24576, 100\nBroken GPU, [N/A], [N/A]\n"
    gpus = doctor.parse_gpus(output)
    assert gpus == [Gpu("NVIDIA H100 80GB HBM3", 81559, 80995), Gpu("Odd, Name", 24576, 100)]
    assert "H100 80GB HBM3, 80 GiB (79 GiB free)" in doctor.check_gpus(gpus).found


@pytest.mark.parametrize("script", ["exec sleep 30", "echo 'Driver mismatch' >&2; exit 9"])
def test_an_nvidia_smi_that_hangs_or_fails_counts_as_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(doctor, "GPU_TIMEOUT_S", 0.2)
    started = time.perf_counter()
    assert doctor.find_gpus() == []
    assert time.perf_counter() - started < 30  # what `sleep 30` would take


@pytest.mark.parametrize(
    ("line", "cuda"), [("cuda: Optional[str] = '13.0'", "13.0"), ("cuda: Optional[str] = None", None)]
)
def test_the_build_of_torch_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, cuda: str | None
) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "version.py").write_text(f"__version__ = '2.13.0'\n{line}\nhip: Optional[str] = None\n")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor.torch_cuda() == cuda


def test_a_torchvision_of_another_build_is_pointed_out() -> None:
    assert doctor.check_torchvision("2.13.0+cpu", None) == []
    assert doctor.check_torchvision("2.13.0+cpu", "0.28.0+cpu") == []
    (check,) = doctor.check_torchvision("2.13.0+cpu", "0.28.0")
    assert check.status is Status.WARNING
    assert "torchvision::nms" in check.found


def test_write_access_is_tried_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert doctor.check_writable("cache", tmp_path / "not" / "yet", "remedy").status is Status.OK
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    refused = doctor.check_writable("cache", tmp_path / "file" / "cache", "remedy")
    assert (refused.status, refused.remedy) == (Status.MISSING, "remedy")


@pytest.mark.parametrize(
    ("found", "room", "shown"),
    [
        ("3.11.7 (/usr/bin/python)", 54, "3.11.7 (/usr/bin/python)"),
        ("/a/long/way/to/the/folder/of/outputs (57 GiB free)", 40, "...o/the/folder/of/outputs (57 GiB free)"),
        ("no path and more words than there is room for", 20, "no path and more words than there is room for"),
    ],
)
def test_a_line_fits_where_its_path_gives_way(found: str, room: int, shown: str) -> None:
    assert doctor.fitting(found, room) == shown
