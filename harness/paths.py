"""Where the packaged files lie, in a checkout and in an installed wheel, and where the cache is."""

import os
from pathlib import Path

__version__ = "0.1.0"
PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = PACKAGE.parent


def _data_dir(name: str) -> Path:
    """The top-level folder of a checkout, or the copy that a wheel carries."""
    packaged = PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _CHECKOUT / name


def conf_dir() -> Path:
    """The Hydra config groups that ship with the harness."""
    return _data_dir("conf")


def persona_dir() -> Path:
    """The library of personas that ships with the harness."""
    return _data_dir("personas")


def written_dir() -> Path:
    """The written sessions that ship with the harness."""
    return _data_dir("examples") / "sessions"


def prompt_dir() -> Path:
    """The templates that come with the harness."""
    return PACKAGE / "agents" / "prompts"


def cache_dir() -> Path:
    """`$HARNESS_CACHE`, else `~/.cache/harness`: converted models."""
    return Path(os.environ.get("HARNESS_CACHE") or Path.home() / ".cache" / "harness")
