"""Resolves `engine=auto` by what is installed."""

from importlib.util import find_spec

from harness.config.schema import EngineKind
from harness.errors import ConfigError
from harness.paths import install_command


def resolve_kind(kind: EngineKind) -> EngineKind:
    """The kind of engine: `auto` is `vllm` if that can be imported, else `transformers`."""
    if kind != "auto":
        return kind
    return "vllm" if find_spec("vllm") is not None else "transformers"


def check_ray() -> None:
    """Raise `ConfigError` if Ray isn't installed."""
    if find_spec("ray") is None:
        raise ConfigError(f"executor=ray: Ray is not installed; {install_command('ray')}, or executor=local")
