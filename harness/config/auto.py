"""What is installed here, and what `auto` means for that: as an engine, and as an adapter."""

from importlib.util import find_spec

from harness.config.schema import EngineKind
from harness.errors import ConfigError
from harness.paths import install_command

SHIPPED_ADAPTERS = ("smollm2-135m-patient", "smollm2-135m-therapist")
"""Names of the adapters that come with the harness: MODEL-SPEAKER."""


def auto_adapter(model_path: object, speaker: str, kind: object) -> str | None:
    """`auto` is the adapter that ships for a model and speaker, where the engine serves adapters, and none elsewhere."""
    name = f"{model_path}-{speaker}"
    return name if name in SHIPPED_ADAPTERS and kind == "vllm" else None


def resolve_kind(kind: EngineKind) -> EngineKind:
    """`auto` is `vllm` where that can be imported, and `transformers` elsewhere."""
    if kind != "auto":
        return kind
    return "vllm" if find_spec("vllm") is not None else "transformers"


def check_ray() -> None:
    """Raise `ConfigError` where Ray isn't installed."""
    if find_spec("ray") is None:
        raise ConfigError(f"executor=ray: Ray is not installed; {install_command('ray')}, or executor=local")
