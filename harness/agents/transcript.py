"""Reads the transcript that a replayed patient speaks from.

Two formats: the text form of a session, or a sessions.jsonl of a run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.agents.text_form import is_label, parse_text, read_text
from harness.errors import TranscriptError
from harness.types import Speaker


@dataclass(frozen=True, slots=True)
class Transcript:
    """The lines of a recorded session, in order."""

    patient: tuple[str, ...]
    """What a replayed patient speaks."""
    therapist: tuple[str, ...]
    """What was answered then; for reference only."""
    error: str | None = None
    """The bracketed error that ended the recorded session, where one did."""


def read_transcript(path: Path, session: str | None = None) -> Transcript:
    """Read `path`. `session` names one session of a sessions.jsonl; it may be left out where the file holds only one.

    Raises `TranscriptError` with the file and the line number.
    """
    text = read_text(path, "patient.transcript")
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lstrip().startswith("{"):
        return _from_jsonl(path, text, session)
    if session is not None:
        raise TranscriptError(
            f"{path}: is a text transcript, but patient.session={session} asks for one of a sessions.jsonl"
        )
    form = parse_text(path, text)
    return _transcript(path, [(entry.speaker, entry.text) for entry in form.entries], form.error)


def _from_jsonl(path: Path, text: str, wanted: str | None) -> Transcript:
    found: dict[str, list[tuple[Speaker, str]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        session_id, turns = _session(path, number, line)
        found[session_id] = turns
    if wanted is None and len(found) == 1:
        wanted = next(iter(found))
    if wanted is None or wanted not in found:
        some = ", ".join(list(found)[:8]) + (f", ... ({len(found)} in all)" if len(found) > 8 else "")
        asked = "patient.session is not set" if wanted is None else f"no session {wanted!r}"
        raise TranscriptError(f"{path}: {asked}; expected one of {some}")
    return _transcript(path, found[wanted], None)


def _session(path: Path, number: int, line: str) -> tuple[str, list[tuple[Speaker, str]]]:
    place = f"{path}:{number}"
    if is_label(line):
        raise TranscriptError(f"{place}: a text turn inside a sessions.jsonl; expected one JSON object a line")
    try:
        record = json.loads(line)
    except ValueError as error:
        raise TranscriptError(f"{place}: not JSON ({error}); expected a line of a sessions.jsonl") from error
    if not isinstance(record, Mapping) or not isinstance(record.get("session_id"), str):
        raise TranscriptError(f"{place}: no session_id; expected a line of a sessions.jsonl")
    turns = record.get("turns")
    if not isinstance(turns, list):
        raise TranscriptError(f"{place}: turns: expected a list, found {type(turns).__name__}")
    return record["session_id"], [_turn(f"{place}: turns.{i}", turn) for i, turn in enumerate(turns)]


def _turn(place: str, turn: object) -> tuple[Speaker, str]:
    if not isinstance(turn, Mapping) or turn.get("speaker") not in list(Speaker):
        raise TranscriptError(f"{place}: speaker: expected patient or therapist")
    text = turn.get("text")
    if not isinstance(text, str):
        raise TranscriptError(f"{place}: text: expected a string, found {type(text).__name__}")
    return Speaker(turn["speaker"]), text


def _transcript(path: Path, turns: list[tuple[Speaker, str]], error: str | None) -> Transcript:
    patient = tuple(text for speaker, text in turns if speaker is Speaker.PATIENT)
    if not patient:
        raise TranscriptError(f"{path}:1: no patient turn found; a replay speaks the lines after 'Patient:'")
    return Transcript(patient, tuple(text for speaker, text in turns if speaker is Speaker.THERAPIST), error)
