"""`model.adapter: auto` is the adapter that ships for a model and a role, where an engine can serve it, and nothing else."""

import shutil
from pathlib import Path

import pytest

from harness.config import auto
from harness.config.compose import load
from harness.errors import ConfigError
from harness.models.adapter import read_adapter
from harness.paths import adapter_dir

PATIENT, THERAPIST = "smollm2-135m-patient", "smollm2-135m-therapist"


def adapters(*overrides: str) -> list[str | None]:
    """The folders of the patient's and of the therapist's adapter."""
    config = load(list(overrides))
    return [role.model.adapter.name if role.model.adapter else None for role in (config.patient, config.therapist)]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["engine=vllm"], [PATIENT, THERAPIST]),
        (["engine=vllm", "therapist.model.adapter=null"], [PATIENT, None]),
        (["engine=transformers"], [None, None]),
        (["engine=dry"], [None, None]),
        (["engine=vllm", "model.path=another/model"], [None, None]),
        (["engine=vllm", "therapist.model.path=another/model"], [PATIENT, None]),
    ],
)
def test_auto_is_what_ships_for_the_model_and_the_role(overrides: list[str], expected: list[str | None]) -> None:
    assert adapters("experiment=smoke", *overrides) == expected


def test_without_auto_there_is_none() -> None:
    assert adapters("engine=vllm") == [None, None]


def test_what_ships_is_small_and_read_as_any_adapter() -> None:
    folders = sorted(path for path in adapter_dir().iterdir() if path.is_dir())
    assert [folder.name for folder in folders] == sorted(auto.SHIPPED)
    assert sum(read_adapter(folder).weights.stat().st_size for folder in folders) < 8_000_000


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(adapter_dir(), tmp_path / "adapters")
    weights = tmp_path / "adapters" / "smollm2-135m-patient" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    monkeypatch.setattr(auto, "adapter_dir", lambda: tmp_path / "adapters")
    auto._intact.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"expected SHA-256 ec9b.*install the harness again"):
            auto.resolve_adapter("patient", "smollm2-135m", "vllm")
    finally:
        auto._intact.cache_clear()
