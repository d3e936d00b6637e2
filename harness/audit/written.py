"""Reads the written sessions of the harness: both speakers' turns, with a head that states their quality."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.agents.transcript import read_transcript
from harness.errors import TranscriptError
from harness.paths import written_dir
from harness.reading.files import read_text


@dataclass(frozen=True, slots=True)
class WrittenSession:
    """One session as its author wrote it."""

    id: str
    persona: str
    quality: str
    """`good`, `mediocre`, `poor` or `fault`."""
    patient: tuple[str, ...]
    therapist: tuple[str, ...]


def written_sessions(folder: Path | None = None) -> tuple[WrittenSession, ...]:
    """The sessions in a folder (None: those of the library), sorted by file name. Raises `TranscriptError`."""
    folder = folder or written_dir()
    return tuple(_read(path) for path in sorted(folder.glob("*.txt")))


def _read(path: Path) -> WrittenSession:
    try:
        text = read_text(path)
        _, head, _ = text.split("---\n", 2)
        fields = yaml.safe_load(head)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TranscriptError(f"{path}: expected a YAML head between lines of ---: {error}") from error
    if not isinstance(fields, Mapping) or not {"id", "persona", "quality"} <= set(fields):
        raise TranscriptError(f"{path}: the head needs id, persona and quality")
    spoken = read_transcript(path)
    return WrittenSession(
        str(fields["id"]), str(fields["persona"]), str(fields["quality"]), spoken.patient, spoken.therapist
    )
