"""Finds, reads and checks files of one kind in folders, such as personas and rubrics.

Invariants:
- A file holds one item and is named by its id: `ID.yaml`.
- Folders are searched in order, so a user's own file hides one of ours with the same id.
- Every mistake in a file becomes a line with the file and the key, never a traceback.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import HarnessError, did_you_mean, some_of
from harness.reading import strict_yaml
from harness.reading.files import read_bytes
from harness.reading.mistakes import lines_of
from harness.reading.yaml_shape import not_yaml

M = TypeVar("M", bound=BaseModel)


def _as_it_is(value: Any, source: str) -> Any:
    return value


@dataclass(frozen=True)
class Library(Generic[M]):
    """Reads files of one kind; every method raises `error` with one line per mistake."""

    model: type[M]
    """The model of an item; it has an `id`."""
    noun: str
    key: str
    """The setting that names items by id."""
    error: Callable[..., HarnessError]
    most_bytes: int
    upgraded: Callable[[Any, str], Any] = _as_it_is
    """Converts the data of an older file to current keys; called with the data and the file's name."""
    hinted: Callable[[str], str] = str
    """Adds the common cause of a mistake to its line."""

    def load(self, ids: Sequence[str], dirs: Sequence[Path]) -> list[M]:
        """The items with these ids, in this order, each from the first of `dirs` that has it."""
        files = self.find(dirs)
        lines = [f"{self.key}: no {self.noun} '{name}'{self._known(name, files)}" for name in ids if name not in files]
        twice = sorted({name for name in ids if list(ids).count(name) > 1})
        lines += [f"{self.key}: '{name}' is asked for twice" for name in twice]
        if lines:
            raise self.error(*lines)
        return self.read_all(files[name] for name in ids)

    def _known(self, name: str, files: Iterable[str]) -> str:
        listing = f"python -m harness list {self.noun}s"
        return did_you_mean(name, files) or f"; known: {some_of(sorted(files), name, listing)}"

    def find(self, dirs: Sequence[Path]) -> dict[str, Path]:
        """Files by id (their stem); an earlier folder hides a later one."""
        files: dict[str, Path] = {}
        for folder in dirs:
            if not folder.is_dir():
                raise self.error(f"{folder}: no such folder of {self.noun}s")
            for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
                if (other := files.get(path.stem)) is None:
                    files[path.stem] = path
                elif other.parent == folder:
                    raise self.error(
                        f"{path}: a second file for {self.noun} '{path.stem}', after {other.name}; remove one"
                    )
        return files

    def read_all(self, paths: Iterable[Path]) -> list[M]:
        """Read many files; collects the mistakes of all of them before it raises."""
        found: list[M] = []
        lines: list[str] = []
        for path in paths:
            try:
                found.append(self.read(path))
            except HarnessError as error:
                lines += error.lines
        if lines:
            raise self.error(*lines)
        return found

    def read(self, path: Path) -> M:
        """Read and check one file."""
        try:
            text = read_bytes(path, self.most_bytes).decode("utf-8")
        except OSError as error:
            raise self.error(f"{path}: can't be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise self.error(f"{path}: expected UTF-8 text, found another encoding at byte {error.start}") from error
        found = self.parse(text, str(path))
        name = attrgetter("id")(found)
        if name != path.stem:
            raise self.error(f"{path}: id: expected '{path.stem}' as the file is called, found '{name}'")
        return found

    def parse(self, text: str, source: str) -> M:
        """Check YAML text; `source` is the file's name in messages."""
        try:
            data = strict_yaml.load(text)
        except strict_yaml.REFUSED as error:
            raise self.error(f"{source}:{not_yaml(error)}") from error
        if lines := [f"{source}: {line}" for line in strict_yaml.unfit(data)]:
            raise self.error(*lines)
        try:
            # Through JSON, since strict validation takes lists and names there, as a YAML file has them.
            return self.model.model_validate_json(json.dumps(self.upgraded(data, source)))
        except ValidationError as error:
            mistakes = lines_of(error, self.model, f"a {self.noun}")
            raise self.error(*(f"{source}: {self.hinted(line)}" for line in mistakes)) from error

    def asked_for(self, paths: Sequence[Path]) -> list[Path]:
        """The given files, and all files in the given folders."""
        files = [path for one in paths for path in (sorted(self.find([one]).values()) if one.is_dir() else [one])]
        if not files:
            raise self.error(f"no {self.noun} files (*.yaml) in {', '.join(map(str, paths))}")
        return files

    def start(self, template: Path, name: str, folder: Path) -> Path:
        """Write a new file from a commented template; returns its path."""
        text = template.read_text(encoding="utf-8").format(id=json.dumps(name))
        self.parse(text, "new")
        path = folder / f"{name}.yaml"
        self.write_new(path, text)
        return path

    def write_new(self, path: Path, text: str) -> None:
        """Write a file; it must not exist yet."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise self.error(f"{path}: already exists; choose another id or folder, or remove it") from error
        except OSError as error:
            raise self.error(f"{path}: can't be written: {error.strerror}") from error
