"""Reads sessions in our text format: one per file, with an optional YAML head and labels in NAME.labels.yaml."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.agents.text_form import parse_text
from harness.errors import TranscriptError
from harness.runs.imports.sessions import KNOWN_SPEAKERS, Found, Layout, read_bounded, session, utterance
from harness.types import Speaker

_LABELLED = ("patient", "client", "therapist", "counselor", "counsellor")
"""The known names of speakers that are labels in a text."""


def read(path: Path, layout: Layout) -> Iterator[Found]:
    """The session of a file. Raises `TranscriptError`."""
    labels = {**{name: KNOWN_SPEAKERS[name] for name in _LABELLED}, **layout.speakers}
    form = parse_text(path, read_bounded(path), labels)
    marks = _marks(path.with_suffix(".labels.yaml"), len(form.entries))
    of_turns: Mapping[int, Any] = marks.pop("turns", None) or {}
    head = dict(form.head)
    name = head.pop("id", path.stem)
    if not isinstance(name, str | int):
        raise TranscriptError(f"{path}:2: id: found {name!r}, expected a word")
    persona = head.pop("persona", None)
    said = [
        utterance(Speaker(entry.speaker), entry.text, f"{path}:{entry.line}", of_turns.get(index))
        for index, entry in enumerate(form.entries)
    ]
    if form.error is not None:
        head["error"] = form.error
    yield session(str(name), str(path), said, persona=persona, meta=head, labels=marks)


def _marks(path: Path, turns: int) -> dict[str, Any]:
    """The content of NAME.labels.yaml; empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        found = yaml.safe_load(read_bounded(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise TranscriptError(
            f"{path}:{line}: no YAML: {getattr(error, 'problem', None) or 'cannot be read'}"
        ) from error
    if not isinstance(found, dict):
        raise TranscriptError(f"{path}: found {type(found).__name__}, expected labels by name")
    of_turns = found.get("turns") or {}
    if not isinstance(of_turns, dict):
        raise TranscriptError(f"{path}: turns: found {type(of_turns).__name__}, expected labels by turn")
    for index, labels in of_turns.items():
        if not isinstance(index, int) or not 0 <= index < turns:
            raise TranscriptError(f"{path}: turns: {index!r} is no turn; expected 0 to {turns - 1}")
        if not isinstance(labels, dict):
            raise TranscriptError(f"{path}: turns.{index}: found {type(labels).__name__}, expected labels by name")
    return dict(found)
