"""Finds, reads and checks persona files.

Invariants:
- A file holds one persona and is called by its id: `personas/ID.yaml`.
- Folders are looked up in order, so a user's own persona hides one of the library with the same id.
- Whatever is wrong with a file, the user gets lines with the file and the key, and never a traceback.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from harness.errors import PersonaError, did_you_mean, some_of
from harness.personas.errors import lines_of
from harness.personas.schema import Persona
from harness.reading import strict_yaml
from harness.reading.files import read_bytes
from harness.reading.yaml_shape import not_yaml

MAX_BYTES = 64_000
"""A persona is a page; a larger file is something else."""


def load(ids: Sequence[str] | Literal["all"], dirs: Sequence[Path]) -> list[Persona]:
    """The personas of these ids, in this order, each from the first of `dirs` that has it; `all` sorts by id.

    Raises `PersonaError` with one line for every mistake in every file asked for.
    """
    files = find(dirs)
    if not files:
        raise PersonaError(f"personas: no persona files (*.yaml) in {', '.join(map(str, dirs))}")
    wanted = sorted(files) if isinstance(ids, str) else list(ids)
    lines = [f"personas: no persona '{name}'{_hint(name, files)}" for name in wanted if name not in files]
    lines += [f"personas: '{name}' is asked for twice" for name in sorted({n for n in wanted if wanted.count(n) > 1})]
    if lines:
        raise PersonaError(*lines)
    return read_all(files[name] for name in wanted)


def _hint(name: str, files: Iterable[str]) -> str:
    return did_you_mean(name, files) or f"; known: {some_of(sorted(files), name, 'python -m harness list personas')}"


def find(dirs: Sequence[Path]) -> dict[str, Path]:
    """Persona files by id (their stem); an earlier folder hides a later one.

    Raises `PersonaError` for a folder that isn't there.
    """
    files: dict[str, Path] = {}
    for folder in dirs:
        if not folder.is_dir():
            raise PersonaError(f"{folder}: no such folder of personas")
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
            if (other := files.get(path.stem)) is None:
                files[path.stem] = path
            elif other.parent == folder:
                raise PersonaError(f"{path}: a second file for persona '{path.stem}', after {other.name}; remove one")
    return files


def read_all(paths: Iterable[Path]) -> list[Persona]:
    """Read many files; raises one `PersonaError` with the lines of them all."""
    personas: list[Persona] = []
    lines: list[str] = []
    for path in paths:
        try:
            personas.append(read(path))
        except PersonaError as error:
            lines += error.lines
    if lines:
        raise PersonaError(*lines)
    return personas


def read(path: Path) -> Persona:
    """Read and check one file; raises `PersonaError`."""
    try:
        text = read_bytes(path, MAX_BYTES).decode("utf-8")
    except OSError as error:
        raise PersonaError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PersonaError(f"{path}: expected UTF-8 text, found another encoding at byte {error.start}") from error
    persona = parse(text, str(path))
    if persona.id != path.stem:
        raise PersonaError(f"{path}: id: expected '{path.stem}' as the file is called, found '{persona.id}'")
    return persona


def parse(text: str, source: str) -> Persona:
    """A persona from YAML text; `source` is the file's name in messages. Raises `PersonaError`."""
    try:
        data = strict_yaml.load(text)
    except strict_yaml.REFUSED as error:
        raise PersonaError(f"{source}:{not_yaml(error)}") from error
    if lines := [f"{source}: {line}" for line in strict_yaml.unfit(data)]:
        raise PersonaError(*lines)
    try:
        # Through JSON, since strict validation takes lists and names there, as a YAML file has them.
        return Persona.model_validate_json(json.dumps(_today(data, source)))
    except ValidationError as error:
        raise PersonaError(*(f"{source}: {line}" for line in lines_of(error))) from error


def _today(data: Any, source: str) -> Any:
    """The keys of an older file as they are called now: `verbosity` became `profile.length`."""
    if not isinstance(data, dict) or "verbosity" not in data or "profile" in data:
        return data
    length = {"short": "terse", "medium": "average", "long": "talkative"}.get(str(data["verbosity"]))
    if length is None:
        raise PersonaError(f"{source}: verbosity: expected short, medium or long, found {data['verbosity']!r}")
    return {key: value for key, value in data.items() if key != "verbosity"} | {"profile": {"length": length}}


def to_yaml(persona: Persona) -> str:
    """The persona as a file of the library would have it."""
    data = persona.model_dump(mode="json")
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110))
