"""The rubrics: files that ship, of users and of plug-ins, read as `harness.reading.library` does it."""

import re
from pathlib import Path

from harness.config import plugins
from harness.errors import RubricError
from harness.judges.rubric import Rubric
from harness.reading.library import Library

MAX_BYTES = 128_000
"""A rubric is some pages; a larger file is something else."""


def packaged_dir() -> Path:
    """The rubrics that ship with the harness."""
    return Path(__file__).resolve().parent / "rubrics"


def folders(own: Path | None) -> tuple[Path, ...]:
    """Where rubrics are looked up: the user's folder first, those of plug-ins last."""
    plugged = [path for folder in plugins.folders() if (path := folder / "rubrics").is_dir()]
    return (*([own] if own else []), packaged_dir(), *plugged)


def _hinted(line: str) -> str:
    """YAML takes bare yes and no for true and false, and bare 0 for a number: the commonest slip in a rubric."""
    bare = re.search(r"expected text.*, found (?:true|false|-?\d+)$", line)
    return f'{line}; put it in quotes, as "yes" or "0"' if bare else line


FILES = Library(Rubric, "rubric", "rubric", RubricError, MAX_BYTES, hinted=_hinted)
find, load, read, read_all, parse = FILES.find, FILES.load, FILES.read, FILES.read_all, FILES.parse
