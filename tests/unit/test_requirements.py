"""What set-up installs is pinned, complete, and free of what must not be there."""

import re
import runpy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("build", "cpu", "dev")


def locked(name: str) -> list[Requirement]:
    """The requirements of a lock, each with at least one sha256."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    entries = re.split(r"(?<!\\)\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    return [Requirement(entry.split(" \\\n")[0]) for entry in entries]


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        data: dict[str, Any] = tomllib.load(file)["project"]
    return data


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_exact_versions_and_names_no_host(name: str) -> None:
    assert all(re.fullmatch(r"==[^,]+", str(requirement.specifier)) for requirement in locked(name))
    assert not re.search(r"https?://|^-", (ROOT / "requirements" / f"{name}.lock").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_brings_torch_or_its_gpu_libraries(name: str) -> None:
    names = {requirement.name for requirement in locked(name)}
    assert not {found for found in names if re.match(r"(torch|triton|nvidia|cuda)", found)}


@pytest.mark.parametrize(
    ("lock", "extras"), [(("cpu",), ("cpu",)), (("cpu", "dev"), ("dev", "ray", "slurm", "train", "parquet", "inspect"))]
)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_locks_hold_what_the_project_asks_for_on_every_python(
    lock: tuple[str, ...], extras: tuple[str, ...], python: str
) -> None:
    environment = {"python_full_version": f"{python}.5", "python_version": python, "platform_machine": "x86_64"}
    environment |= {"sys_platform": "linux", "implementation_name": "cpython"}
    versions = {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for name in lock
        for requirement in locked(name)
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }
    optional = project()["optional-dependencies"]
    for line in [*project()["dependencies"], *(line for extra in extras for line in optional[extra])]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), line


def torch_script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "install_torch.py"))


@pytest.mark.parametrize(
    ("version", "requires", "is_cpu"),
    [
        ("2.13.0+cpu", ["filelock"], True),
        ("2.13.0", ["filelock", "setuptools>=77"], True),
        ("2.13.0", ["filelock", 'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"'], False),
        ("2.13.0", ['cuda-bindings<14,>=13.0.3; platform_system == "Linux"'], False),
        ("2.13.0+cu130", ["filelock"], False),
        ("2.13.0+rocm7.0", ["filelock"], False),
    ],
)
def test_a_gpu_build_of_torch_is_told_from_a_cpu_build(version: str, requires: list[str], is_cpu: bool) -> None:
    is_cpu_build: Callable[[str, list[str]], bool] = torch_script()["is_cpu_build"]
    assert is_cpu_build(version, requires) is is_cpu


def test_only_the_tested_wheel_of_torch_has_a_demanded_hash() -> None:
    tested_hash: Callable[[str], str | None] = torch_script()["tested_hash"]
    assert re.fullmatch(r"[0-9a-f]{64}", tested_hash("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl") or "")
    assert tested_hash("torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl") is None
