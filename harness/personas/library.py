"""Reads personas from the library and from users' folders, with `harness.reading.library`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from harness.errors import PersonaError
from harness.personas.schema import Persona
from harness.reading.library import Library

MAX_BYTES = 64_000
"""A persona takes about a page; a larger file is something else."""


def _upgraded(data: Any, source: str) -> Any:
    """The data of an older file with the current keys: `verbosity` became `profile.length`."""
    if not isinstance(data, dict) or "verbosity" not in data or "profile" in data:
        return data
    length = {"short": "terse", "medium": "average", "long": "talkative"}.get(str(data["verbosity"]))
    if length is None:
        raise PersonaError(f"{source}: verbosity: expected short, medium or long, found {data['verbosity']!r}")
    return {key: value for key, value in data.items() if key != "verbosity"} | {"profile": {"length": length}}


FILES = Library(Persona, "persona", "personas", PersonaError, MAX_BYTES, upgraded=_upgraded)
find, read, read_all, parse = FILES.find, FILES.read, FILES.read_all, FILES.parse


def load(ids: Sequence[str] | Literal["all"], dirs: Sequence[Path]) -> list[Persona]:
    """The personas with these ids, in this order, or `all`, sorted by id. Each comes from the first of `dirs` with it.

    Raises `PersonaError` with one line for every mistake in these files.
    """
    files = find(dirs)
    if not files:
        raise PersonaError(f"personas: no persona files (*.yaml) in {', '.join(map(str, dirs))}")
    return FILES.load(sorted(files) if isinstance(ids, str) else ids, dirs)


def to_yaml(persona: Persona) -> str:
    """The persona as YAML text, in the layout of the library's files."""
    data = persona.model_dump(mode="json")
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110))
