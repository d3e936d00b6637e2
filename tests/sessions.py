"""Recorded sessions of tests/fixtures/sessions as turns."""

from collections.abc import Sequence
from pathlib import Path

from harness.agents.transcript import read_transcript
from harness.types import Speaker, Turn

FOLDER = Path(__file__).parent / "fixtures" / "sessions"
HEALTHY = sorted(FOLDER.glob("healthy-*.txt"))
LOOPING = FOLDER / "looping.txt"


def turns_of(path: Path) -> list[Turn]:
    """The turns of a text transcript, the patient first."""
    transcript = read_transcript(path)
    return dialogue([text for pair in zip(transcript.patient, transcript.therapist, strict=True) for text in pair])


def dialogue(texts: Sequence[str]) -> list[Turn]:
    """Turns that alternate, the patient first."""
    return [Turn(i, Speaker.THERAPIST if i % 2 else Speaker.PATIENT, text) for i, text in enumerate(texts)]
