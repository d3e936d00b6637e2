"""The LoRA adapters that ship with the harness: they teach the small model the form of a turn, one for each speaker.

Invariant: what is loaded has the sha256 that stands here.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from harness.config.auto import SHIPPED_ADAPTERS
from harness.errors import ConfigError
from harness.paths import PACKAGE

SHA256: Mapping[str, str] = MappingProxyType(
    {
        "smollm2-135m-patient": "ee914fd1cd9fb982b9ce9d21574381aba275330b09c97e73e6b5d13a7d71c500",
        "smollm2-135m-therapist": "32944ef862ce211fe07a5a2f9c692fbe6561059cd48dd1f114b2f8b5475a2d89",
    }
)
"""Of the weights."""
WEIGHTS = "adapter_model.safetensors"


def folder_of(name: str) -> Path:
    """Where an adapter of `SHIPPED_ADAPTERS` lies."""
    return PACKAGE / "models" / "shipped" / name


def resolve(adapter: Path | None) -> Path | None:
    """The folder of an adapter: what ships is meant by its name. Raises `ConfigError` where its weights are others."""
    name = str(adapter)
    if name not in SHIPPED_ADAPTERS:
        return adapter
    weights = folder_of(name) / WEIGHTS
    try:
        found = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"model.adapter: {weights}: {error.strerror}; install the harness again") from error
    if found != SHA256[name]:
        raise ConfigError(
            f"model.adapter: {weights}: found sha256 {found[:12]}, expected {SHA256[name][:12]}; install the harness again"
        )
    return weights.parent
