"""A run says what it was made with, quickly, and tells no secrets."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.store.provenance import collect, fingerprint, git_state

BLOCKS = 32 * 65536


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A package tracked in a checkout."""
    package = tmp_path / "repo" / "harness"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    git(package.parent, "init", "-q")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-qm", "x")
    return package


def model(folder: Path, weights: bytes = b"w" * 100) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_a_clean_checkout_then_a_change_then_a_new_module(checkout: Path) -> None:
    clean = git_state(checkout)
    assert clean is not None
    assert len(clean.commit) == 40
    assert not clean.dirty
    (checkout.parent / "notes.txt").write_text("outside the package")
    assert git_state(checkout) == clean
    (checkout / "new.py").write_text("")
    changed = git_state(checkout)
    assert changed is not None
    assert changed.dirty
    (checkout / "new.py").unlink()
    (checkout / "__init__.py").write_text("x = 1\n")
    changed = git_state(checkout)
    assert changed is not None
    assert changed.dirty


def test_a_copy_installed_inside_another_checkout_has_no_commit(checkout: Path, tmp_path: Path) -> None:
    """The commit of a user's own project says nothing about the harness in its virtual environment."""
    installed = checkout.parent / ".venv" / "harness"
    shutil.copytree(checkout, installed)
    assert git_state(installed) is None
    assert git_state(tmp_path) is None


def test_a_git_variable_of_the_caller_does_not_mislead(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks run with GIT_DIR set."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git_state(checkout) is not None


def test_only_listed_variables_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = collect()
    assert found.environment["OMP_NUM_THREADS"] == "2"
    assert "hf_canary" not in found.model_dump_json()


def test_versions_and_machine_are_there_in_a_moment() -> None:
    """Without importing torch or vllm: under 0.3 s of CPU (nvidia-smi, where there is one, takes its own time)."""
    started = time.process_time()
    found = collect()
    assert time.process_time() - started < 0.3
    assert found.packages["pydantic"].count(".") == 2
    assert found.hardware.cores > 0
    assert found.hardware.ram_gib > 0
    assert found.hardware.cpu


def test_gpus_are_what_nvidia_smi_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\nprintf "GPU A, 81559 MiB, 550.1\\nGPU B, 81559 MiB, 550.1\\n"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert collect().hardware.gpus == ("GPU A, 81559 MiB, 550.1", "GPU B, 81559 MiB, 550.1")
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert collect().hardware.gpus == ()


def test_a_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    one, two = model(tmp_path / "one"), model(tmp_path / "two")
    (two / "README.md").write_text("no part of the model")
    assert fingerprint(one).sha256 == fingerprint(two).sha256
    assert fingerprint(one).path != fingerprint(two).path


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_fingerprint_sees_every_small_file(tmp_path: Path, name: str) -> None:
    one, two = model(tmp_path / "one"), model(tmp_path / "two")
    (two / name).write_text("{ }")
    assert fingerprint(one).sha256 != fingerprint(two).sha256


@pytest.mark.parametrize("size", [100, BLOCKS + 1, 3 * BLOCKS])
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_fingerprint_tells_weights_of_one_size_apart(tmp_path: Path, size: int, place: str) -> None:
    """Two fine-tunings have the same architecture, names and sizes."""
    weights = bytearray(size)
    one = model(tmp_path / "one", bytes(weights))
    weights[0 if place == "first" else -1] = 1
    two = model(tmp_path / "two", bytes(weights))
    assert fingerprint(one).sha256 != fingerprint(two).sha256


def test_a_fingerprint_reads_little_of_large_weights(tmp_path: Path) -> None:
    """A sparse file of 20 GiB: reading it all would take many seconds."""
    folder = model(tmp_path / "large")
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(20 * 2**30)
    started = time.monotonic()
    fingerprint(folder)
    assert time.monotonic() - started < 1.0


def test_the_revision_of_a_hub_snapshot_is_its_folder(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert fingerprint(model(tmp_path / "snapshots" / commit), "main").revision == commit
    assert fingerprint(model(tmp_path / "other"), "main").revision == "main"


def test_a_missing_model_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't read the model: No such file"):
        fingerprint(tmp_path / "none")
