"""What `engine=auto` means on this machine."""

from importlib.util import find_spec

from harness.config.schema import EngineKind


def resolve_kind(kind: EngineKind) -> EngineKind:
    """`auto` is `vllm` where that can be imported, and `transformers` elsewhere."""
    if kind != "auto":
        return kind
    return "vllm" if find_spec("vllm") is not None else "transformers"
