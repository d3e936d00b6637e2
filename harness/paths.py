"""Paths of the packaged files, in a checkout and in an installed wheel, and of the cache."""

import os
import re
import shlex
import sys
from pathlib import Path

from harness.errors import ConfigError

__version__ = "0.1.0"
PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = PACKAGE.parent


def _data_dir(name: str) -> Path:
    """The top-level folder of a checkout, or its copy in a wheel."""
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


def adapter_dir() -> Path:
    """The LoRA adapters that ship with the harness."""
    return PACKAGE / "models" / "adapters"


def cache_dir() -> Path:
    """`$HARNESS_CACHE`, else `~/.cache/harness`: converted models."""
    return Path(os.environ.get("HARNESS_CACHE") or Path.home() / ".cache" / "harness")


def working_dir() -> Path:
    """The working directory. Raises `ConfigError` if it was removed, with which relative paths lead nowhere."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the working directory no longer exists; change to a folder that does") from None


def install_command(extra: str) -> str:
    """The command that installs an optional part, for a checkout or for an installed wheel."""
    from importlib import metadata  # imported here, since it takes 20 ms that most commands don't need

    pip = f"{sys.executable} -m pip install"
    if (_CHECKOUT / "pyproject.toml").is_file():
        return f"{pip} -e '.[{extra}]'"
    marked = re.compile(rf"(.*?)\s*;\s*extra == ['\"]{re.escape(extra)}['\"]")
    found = [marked.fullmatch(line) for line in metadata.requires("therapist-harness") or ()]
    return " ".join([pip, *(shlex.quote(match[1]) for match in found if match)])
