"""Reads the written sessions: text files with a YAML head, each with a file of the author's labels.

Invariants:
- Speakers take turns, the patient first, the therapist last.
- Labels are by the author, not by an expert; their quotes occur in the turns that they name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TranscriptError
from harness.judges.written.variants import Turns
from harness.paths import written_dir
from harness.reading import strict_yaml
from harness.reading.files import read_text
from harness.reading.yaml_shape import not_yaml
from harness.types import Speaker

_HEAD = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_LABEL = re.compile(r"^(Patient|Therapist): ", re.MULTILINE)
HEAD_KEYS = ("id", "persona", "therapist", "quality", "fault", "language", "licence", "source", "ending")


@dataclass(frozen=True)
class WrittenSession:
    """One session with its labels."""

    id: str
    persona: str
    therapist: str
    quality: str
    """`good`, `mediocre`, `poor` or `fault`."""
    fault: str | None
    turns: Turns
    labels: Mapping[str, Any]

    def answer(self, rubric: str, item: str) -> str | None:
        """The author's answer to a session item; None without a label."""
        value = self.labels.get("session", {}).get(rubric, {}).get(item)
        if isinstance(value, bool):  # YAML takes a bare yes for true
            return "yes" if value else "no"
        return None if value is None else str(value)


def sessions(folder: Path | None = None) -> Iterator[WrittenSession]:
    """All written sessions of a folder, by id. Raises `TranscriptError`."""
    folder = folder or written_dir()
    for path in sorted(folder.glob("*.txt")):
        yield read(path)


def read(path: Path) -> WrittenSession:
    """One session, and the labels beside it. Raises `TranscriptError` with file and reason."""
    head, text = _parts(path)
    if missing := [key for key in HEAD_KEYS if key not in head]:
        raise TranscriptError(f"{path}: no {missing[0]} in the head; expected {', '.join(HEAD_KEYS)}")
    if head["id"] != path.stem:
        raise TranscriptError(f"{path}: id: expected '{path.stem}' as the file is called, found '{head['id']}'")
    turns = _turns(path, text)
    labels = path.with_name(f"{path.stem}.labels.yaml")
    return WrittenSession(
        path.stem,
        str(head["persona"]),
        str(head["therapist"]),
        str(head["quality"]),
        None if head["fault"] is None else str(head["fault"]),
        turns,
        _yaml(labels, _text(labels)) if labels.exists() else {},
    )


def _parts(path: Path) -> tuple[dict[str, Any], str]:
    text = _text(path)
    match = _HEAD.match(text)
    if match is None:
        raise TranscriptError(f"{path}:1: expected a head between two lines of ---")
    return _yaml(path, match[1]), text[match.end() :]


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise TranscriptError(f"{path}: can't be read: {error.strerror or error}") from error


def _yaml(path: Path, text: str) -> dict[str, Any]:
    try:
        data = strict_yaml.load(text)
    except strict_yaml.REFUSED as error:
        raise TranscriptError(f"{path}:{not_yaml(error)}") from error
    if not isinstance(data, dict):
        raise TranscriptError(f"{path}: expected keys and values")
    return data


def _turns(path: Path, text: str) -> Turns:
    parts = _LABEL.split(text)
    if parts[0].strip():
        raise TranscriptError(f"{path}: text before the first turn: {parts[0].strip()[:40]!r}")
    turns = tuple((Speaker(who.lower()), said.strip()) for who, said in zip(parts[1::2], parts[2::2], strict=True))
    for number, (who, said) in enumerate(turns):
        expected = (Speaker.PATIENT, Speaker.THERAPIST)[number % 2]
        if who is not expected or not said:
            raise TranscriptError(f"{path}: turn {number}: expected words of the {expected}")
    if not turns or len(turns) % 2:
        raise TranscriptError(f"{path}: expected whole exchanges, found {len(turns)} turns")
    return turns
