"""The rubrics: files of the harness, of users and of plug-ins, read by `harness.reading.library`."""

import re
from pathlib import Path

from harness.config import plugins
from harness.errors import RubricError
from harness.judges.rubric import Rubric
from harness.reading.library import Library

MAX_BYTES = 128_000
"""A rubric has a few pages; a larger file is not a rubric."""


def packaged_dir() -> Path:
    """The rubrics that ship with the harness."""
    return Path(__file__).resolve().parent / "rubrics"


def folders(own: Path | None) -> tuple[Path, ...]:
    """The folders in which rubrics are looked up: the user's first, those of plug-ins last."""
    plugged = [path for folder in plugins.folders() if (path := folder / "rubrics").is_dir()]
    return (*([own] if own else []), packaged_dir(), *plugged)


def _hinted(line: str) -> str:
    """Add a hint to the most frequent mistake: YAML reads yes and no without quotes as booleans, and 0 as a number."""
    bare = re.search(r"expected text.*, found (?:true|false|-?\d+)$", line)
    return f'{line}; put it in quotes, as "yes" or "0"' if bare else line


FILES = Library(Rubric, "rubric", "rubric", RubricError, MAX_BYTES, hinted=_hinted)
find, load, read, read_all, parse = FILES.find, FILES.load, FILES.read, FILES.read_all, FILES.parse
