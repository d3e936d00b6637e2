"""Resolves `engine=auto` by what is installed, and `model.adapter=auto` by what ships with the harness."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from harness.config.schema import EngineKind
from harness.errors import ConfigError
from harness.paths import adapter_dir, install_command

AUTO = "auto"
SHIPPED = {
    "smollm2-135m-patient": "ec9b91d77a5dfc5a9c5a3ac6bbe30054c2915e288eae9fa2bf184fbaba40ad2a",
    "smollm2-135m-therapist": "8a21105373f78912f639df261e33eab6167a509732cd634f7e0b2ecefc26ca3e",
}
"""SHA-256 of the weights of each shipped adapter, by model and role."""


def resolve_kind(kind: EngineKind) -> EngineKind:
    """The kind of engine: `auto` is `vllm` if that can be imported, else `transformers`."""
    if kind != "auto":
        return kind
    return "vllm" if find_spec("vllm") is not None else "transformers"


def resolve_adapter(role: str, model: object, engine: object) -> str | None:
    """The shipped adapter for a role of this model on an engine of this kind; None if there is none.

    Raises `ConfigError` if its weights are not those that were shipped.
    """
    name = f"{model}-{role}"
    return str(_intact(name)) if name in SHIPPED and engine == "vllm" else None


@cache
def _intact(name: str) -> Path:
    folder = adapter_dir() / name
    weights = folder / "adapter_model.safetensors"
    try:
        found = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{weights}: can't be read: {error.strerror}; install the harness again") from error
    if found != SHIPPED[name]:
        raise ConfigError(f"{weights}: expected SHA-256 {SHIPPED[name]}, found {found}; install the harness again")
    return folder


def check_ray() -> None:
    """Raise `ConfigError` if Ray isn't installed."""
    if find_spec("ray") is None:
        raise ConfigError(f"executor=ray: Ray is not installed; {install_command('ray')}, or executor=local")
