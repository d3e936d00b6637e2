"""Finds, reads and checks rubric files.

Invariants:
- A file holds one rubric and is called by its id: `ID.yaml`.
- Folders are looked up in order, so a user's own rubric hides one of ours with the same id.
- Whatever is wrong with a file, the user gets lines with the file and the key, and never a traceback.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.config import plugins
from harness.errors import RubricError
from harness.judges.rubric import Rubric
from harness.reading import strict_yaml
from harness.reading.files import read_bytes
from harness.reading.mistakes import closest, lines_of
from harness.reading.yaml_shape import not_yaml

MAX_BYTES = 128_000
"""A rubric is some pages; a larger file is something else."""


def packaged_dir() -> Path:
    """The rubrics that ship with the harness."""
    return Path(__file__).resolve().parent / "rubrics"


def folders(own: Path | None) -> tuple[Path, ...]:
    """Where rubrics are looked up: the user's folder first, those of plug-ins last."""
    plugged = [path for folder in plugins.folders() if (path := folder / "rubrics").is_dir()]
    return (*([own] if own else []), packaged_dir(), *plugged)


def load(ids: Sequence[str], dirs: Sequence[Path]) -> list[Rubric]:
    """The rubrics of these ids, in this order, each from the first of `dirs` that has it.

    Raises `RubricError` with one line for every mistake in every file asked for.
    """
    files = find(dirs)
    lines = [f"rubric: no rubric '{name}'; {closest(name, sorted(files))}" for name in ids if name not in files]
    lines += [f"rubric: '{name}' is asked for twice" for name in sorted({n for n in ids if list(ids).count(n) > 1})]
    if lines:
        raise RubricError(*lines)
    return read_all([files[name] for name in ids])


def read_all(paths: Sequence[Path]) -> list[Rubric]:
    """Read many files; raises one `RubricError` with the lines of them all."""
    rubrics: list[Rubric] = []
    lines: list[str] = []
    for path in paths:
        try:
            rubrics.append(read(path))
        except RubricError as error:
            lines += error.lines
    if lines:
        raise RubricError(*lines)
    return rubrics


def find(dirs: Sequence[Path]) -> dict[str, Path]:
    """Rubric files by id (their stem); an earlier folder hides a later one. Raises `RubricError`."""
    files: dict[str, Path] = {}
    for folder in dirs:
        if not folder.is_dir():
            raise RubricError(f"{folder}: no such folder of rubrics")
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
            if (other := files.get(path.stem)) is None:
                files[path.stem] = path
            elif other.parent == folder:
                raise RubricError(f"{path}: a second file for rubric '{path.stem}', after {other.name}; remove one")
    return files


def read(path: Path) -> Rubric:
    """Read and check one file; raises `RubricError`."""
    try:
        text = read_bytes(path, MAX_BYTES).decode("utf-8")
    except OSError as error:
        raise RubricError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RubricError(f"{path}: expected UTF-8 text, found another encoding at byte {error.start}") from error
    rubric = parse(text, str(path))
    if rubric.id != path.stem:
        raise RubricError(f"{path}: id: expected '{path.stem}' as the file is called, found '{rubric.id}'")
    return rubric


def parse(text: str, source: str) -> Rubric:
    """A rubric from YAML text; `source` is the file's name in messages. Raises `RubricError`."""
    try:
        data = strict_yaml.load(text)
    except strict_yaml.REFUSED as error:
        raise RubricError(f"{source}:{not_yaml(error)}") from error
    if lines := [f"{source}: {line}" for line in strict_yaml.unfit(data)]:
        raise RubricError(*lines)
    try:
        # Through JSON, since strict validation takes lists and names there, as a YAML file has them.
        return Rubric.model_validate_json(json.dumps(data))
    except ValidationError as error:
        mistakes = lines_of(error, Rubric, "a rubric")
        raise RubricError(*(f"{source}: {_hinted(line)}" for line in mistakes)) from error


def _hinted(line: str) -> str:
    """YAML takes bare yes and no for true and false, and bare 0 for a number: the commonest slip in a rubric."""
    bare = re.search(r"expected text.*, found (?:true|false|-?\d+)$", line)
    return f'{line}; put it in quotes, as "yes" or "0"' if bare else line
