"""Install PyTorch's CPU build at the version of requirements/torch.txt, and never a CUDA build.

The CPU build is on PyTorch's own wheel index and not on the public one, where the same version number means a CUDA
build with gigabytes of libraries. So a dry run of pip first shows what it would install; only a CPU build is then
installed, with the hash from the dry run. requirements/torch.sha256 holds the hashes of tested wheels (in the format of
sha256sum); a wheel that is listed there must match. Wheels for other Pythons are not checked against it.

HARNESS_TORCH_INDEX names the index, or a folder with the wheel; without it pip's own configuration decides.
Runs inside the virtual environment, with the standard library only.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
HOW = (
    "set HARNESS_TORCH_INDEX to PyTorch's CPU wheel index (PyTorch's \"Get Started\" page shows it for Pip and CPU), or to "
    "a folder with the wheel, and start again"
)


def cuda_requirements(requires: list[str]) -> list[str]:
    """The requirements that only a CUDA build has."""
    return [line for line in requires if re.match(r"(nvidia|cuda)[-_.]", line)]


def is_cpu_build(version: str, requires: list[str]) -> bool:
    """Whether a wheel of torch is a CPU build, by its local version or, where it has none, by what it requires."""
    local = version.partition("+")[2]
    return local == "cpu" or (not local and not cuda_requirements(requires))


def installed(pinned: str) -> bool:
    """Whether the pinned CPU build is here already."""
    try:
        found = metadata.distribution("torch")
    except metadata.PackageNotFoundError:
        return False
    whole = bool(found.files)  # pip writes the list of files last
    return whole and found.version.partition("+")[0] == pinned and is_cpu_build(found.version, found.requires or [])


def source() -> list[str]:
    """pip's options for where torch comes from."""
    index = os.environ.get("HARNESS_TORCH_INDEX", "").strip()
    if not index:
        return []
    if Path(index).is_dir():
        return ["--no-index", "--find-links", index]
    return ["--index-url", index]


def pip(*arguments: str) -> None:
    """Run pip with its output on stderr (the set-up log)."""
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True, stdout=sys.stderr)


def resolve(requirement: str, folder: Path) -> tuple[str, list[str], str, str | None]:
    """What pip would install: version, requirements, file name, sha256 (None where the index gives none)."""
    report = folder / "report.json"
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--report", str(report)]
    pip("install", "--quiet", *options, *source(), requirement)
    (item,) = json.loads(report.read_text())["install"]
    name = unquote(urlsplit(item["download_info"]["url"]).path.rsplit("/", 1)[-1])
    sha256 = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
    return item["metadata"]["version"], item["metadata"].get("requires_dist", []), name, sha256


def tested_hash(name: str) -> str | None:
    """The hash of the tested wheel of this name; None if none was tested."""
    for line in (REQUIREMENTS / "torch.sha256").read_text().splitlines():
        sha256, _, tested = line.partition("  ")
        if tested == name:
            return sha256
    return None


def main() -> int:
    lines = (REQUIREMENTS / "torch.txt").read_text().splitlines()
    requirement = next(line for line in lines if line and not line.startswith("#"))
    if installed(requirement.partition("==")[2]):
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            version, requires, name, sha256 = resolve(requirement, folder)
        except subprocess.CalledProcessError:
            print(f"error: pip finds no {requirement} for this Python; {HOW}", file=sys.stderr)
            return 1
        if not is_cpu_build(version, requires):
            print(
                f"error: pip finds only a CUDA build of {requirement} ({name}), which is not installed here; {HOW}",
                file=sys.stderr,
            )
            return 1
        tested = tested_hash(name)
        if tested and sha256 and sha256 != tested:
            print(f"error: {name} has sha256 {sha256}, expected {tested} (requirements/torch.sha256)", file=sys.stderr)
            return 1
        wanted = folder / "torch.txt"
        pin = tested or sha256
        wanted.write_text(f"torch=={version}" + (f" --hash=sha256:{pin}" if pin else "") + "\n")
        try:
            pip("install", "--no-deps", "--only-binary=:all:", "--no-compile", *source(), "--requirement", str(wanted))
        except subprocess.CalledProcessError:
            print(f"error: {name} was found but can't be installed", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
