"""The adapters that ship: who gets them, and that their weights are those that were measured."""

import json
import shutil
from pathlib import Path

import pytest

from harness.config.auto import SHIPPED_ADAPTERS
from harness.config.compose import load
from harness.errors import ConfigError
from harness.models import adapters


@pytest.mark.parametrize(
    ("overrides", "having"),
    [
        (["engine=vllm"], ["patient", "therapist"]),
        (["engine=vllm", "therapist.model.adapter=null"], ["patient"]),
        (["engine=vllm", "model=llama-3.2-3b"], []),
        (["engine=vllm", "therapist.model.path=my/model"], ["patient"]),
        (["engine=dry"], []),
        (["engine=transformers"], []),
        (["engine=vllm", "therapist.engine=dry"], ["patient"]),
    ],
)
def test_smoke_has_the_adapters_where_model_and_engine_are_theirs(overrides: list[str], having: list[str]) -> None:
    config = load(["experiment=smoke", *overrides])
    found = {str(role): str(of.model.adapter) for role, of in config.roles() if of.model.adapter is not None}
    assert found == {role: f"smollm2-135m-{role}" for role in having}


def test_no_other_run_has_them_unasked() -> None:
    assert all(role.model.adapter is None for _, role in load(["engine=vllm"]).roles())


def test_what_ships_is_what_was_measured_and_small() -> None:
    folders = [adapters.resolve(Path(name)) for name in SHIPPED_ADAPTERS]
    sizes = [file.stat().st_size for folder in folders if folder for file in folder.iterdir()]
    assert sum(sizes) < 8_000_000
    for folder in folders:
        assert folder is not None
        told = json.loads((folder / "adapter_config.json").read_text())
        assert told["base_model_name_or_path"] == "smollm2-135m"
    assert adapters.resolve(Path("of/my/own")) == Path("of/my/own")
    assert adapters.resolve(None) is None


def test_other_weights_and_missing_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = SHIPPED_ADAPTERS[0]
    shutil.copytree(adapters.folder_of(name), tmp_path / name)
    monkeypatch.setattr(adapters, "folder_of", lambda wanted: tmp_path / wanted)
    weights = tmp_path / name / adapters.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0\1")
    with pytest.raises(
        ConfigError, match=r"found sha256 [0-9a-f]{12}, expected [0-9a-f]{12}; install the harness again"
    ):
        adapters.resolve(Path(name))
    weights.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        adapters.resolve(Path(name))
