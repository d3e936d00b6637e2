"""A wheel works outside the checkout: it carries conf/ and personas/, and every command finds them."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; fails the test with its errors if it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel in it, and this environment's packages but not its checkout."""
    folder = tmp_path_factory.mktemp("install")
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("therapist_harness-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(*pip, "--python", python, "install", "--quiet", "--no-deps", wheel, cwd=folder)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # A folder that a .pth file names is searched, but its own .pth files (an editable install of the checkout) are not read.
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_package_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    place = Path(run(installed, "-c", "import harness; print(harness.__file__)", cwd=tmp_path).strip())
    assert installed.parents[1] in place.parents


@pytest.mark.parametrize("name", ["conf", "personas"])
def test_the_wheel_carries_every_file_of_the_checkout(installed: Path, tmp_path: Path, name: str) -> None:
    function = {"conf": "conf_dir", "personas": "persona_dir"}[name]
    folder = Path(
        run(installed, "-c", f"from harness.paths import {function}; print({function}())", cwd=tmp_path).strip()
    )
    assert installed.parents[1] in folder.parents
    carried = {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.yaml")}
    assert carried == {file.relative_to(ROOT / name): file.read_bytes() for file in (ROOT / name).rglob("*.yaml")}
    assert carried


def test_templates_and_styles_are_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    package = Path(run(installed, "-c", "import harness; print(harness.__file__)", cwd=tmp_path).strip()).parent
    for pattern in ("*.jinja", "*.css"):
        ours = {file.relative_to(ROOT / "harness") for file in (ROOT / "harness").rglob(pattern)}
        assert ours
        assert {file.relative_to(package) for file in package.rglob(pattern)} == ours


@pytest.mark.parametrize(
    "command", [("--help",), ("run", "--help"), ("personas", "list"), ("run", "--cfg", "job"), ("doctor",)]
)
def test_commands_work_from_any_folder(installed: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    assert run(installed, "-m", "harness", *command, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_there_is_a_console_command(installed: Path, tmp_path: Path) -> None:
    assert run(installed.with_name("harness"), "--version", cwd=tmp_path).startswith("harness ")
