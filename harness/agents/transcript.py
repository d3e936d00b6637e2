"""Reads the transcript for a replayed patient: a session in text form, or the sessions.jsonl of a run."""

import json
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from harness.agents.text_form import MOST_BYTES, check_turn, decoded, ended_by_error, is_label, parse_text
from harness.errors import TranscriptError, some_of
from harness.reading.files import opened, read_bytes
from harness.text.visible import one_line
from harness.types import Speaker

LONGEST_LINE = 64_000_000
"""Maximum bytes of a line of a sessions.jsonl, which holds one session. The file may be of any length."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The turns of a recorded session, in order."""

    patient: tuple[str, ...]
    """The turns that a replayed patient speaks."""
    therapist: tuple[str, ...]
    """The recorded answers; a replay does not use them."""
    error: str | None = None
    """The bracketed error that ended the recorded session; None if none did."""


def read_transcript(path: Path, session: str | None = None) -> Transcript:
    """The transcript in `path`. `session` is an id in a sessions.jsonl; not needed if the file holds only one session.

    Raises `TranscriptError` with the file and the line number.
    """
    try:
        with opened(path) as file:
            first = next((line for line in iter(partial(file.readline, LONGEST_LINE), b"") if line.strip()), b"")
            file.seek(0)
            if first.removeprefix(BOM_UTF8).lstrip().startswith(b"{"):
                return _from_jsonl(path, file, session)
        content = read_bytes(path, MOST_BYTES)
    except FileNotFoundError as error:
        raise TranscriptError(f"{path}: no such file; patient.transcript expects a transcript") from error
    except IsADirectoryError as error:
        raise TranscriptError(
            f"{path}: is a folder; patient.transcript expects a file, such as the sessions.jsonl in it"
        ) from error
    except OSError as error:
        raise TranscriptError(f"{path}: can't be read: {error.strerror or error}") from error
    if session is not None:
        raise TranscriptError(
            f"{path}: is a text transcript, but patient.session={session} asks for a session of a sessions.jsonl"
        )
    form = parse_text(path, decoded(path, content))
    return _transcript(path, [(entry.speaker, entry.text) for entry in form.entries], form.error)


def _from_jsonl(path: Path, file: BinaryIO, wanted: str | None) -> Transcript:
    found: dict[str, int] = {}
    transcript: list[tuple[Speaker, str]] = []
    for number, content in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
        if len(content) == LONGEST_LINE:
            raise TranscriptError(f"{path}:{number}: expected a line of at most {LONGEST_LINE} bytes")
        line = decoded(path, content, number)
        if not line.strip():
            continue
        session_id, turns = _session(path, number, line)
        if session_id in found:
            raise TranscriptError(
                f"{path}:{number}: session {session_id!r} occurs again, after line {found[session_id]}"
            )
        found[session_id] = number
        if wanted in (session_id, None):
            transcript = turns
    if wanted is None and len(found) == 1:
        wanted = next(iter(found))
    if wanted is None or wanted not in found:
        some = some_of(map(one_line, found), wanted or "")
        asked = "patient.session is not set" if wanted is None else f"no session {wanted!r}"
        raise TranscriptError(f"{path}: {asked}; expected one of {some}")
    error = transcript.pop()[1] if transcript and ended_by_error(*transcript[-1]) else None
    for index, (speaker, text) in enumerate(transcript):
        if speaker is Speaker.PATIENT or text.strip():
            check_turn(f"{path}:{found[wanted]}: turns.{index}", speaker, text)
    return _transcript(path, transcript, error)


def _session(path: Path, number: int, line: str) -> tuple[str, list[tuple[Speaker, str]]]:
    place = f"{path}:{number}"
    if is_label(line):
        raise TranscriptError(f"{place}: a text turn inside a sessions.jsonl; expected one JSON object per line")
    try:
        record = json.loads(line)
    except RecursionError as error:
        raise TranscriptError(f"{place}: nested too deeply; expected a line of a sessions.jsonl") from error
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
