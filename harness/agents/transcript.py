"""Reads the transcript that a replayed patient speaks from.

Two formats: text with `Patient: ...` / `Therapist: ...` paragraphs, or a sessions.jsonl of a run.

Invariant: an error is never a line. A bracketed error that stands for the last therapist turn is dropped; anywhere else
it is refused.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from harness.errors import TranscriptError
from harness.reading import opened, read_bytes
from harness.types import Speaker
from harness.visible import one_line

MOST_BYTES = 32_000_000
"""Of a text transcript; an hour of talk is 60,000."""
LONGEST_LINE = 64_000_000
"""Bytes of a line of a sessions.jsonl, which holds one session; such a file may be of any length."""
LONGEST_TURN = 100_000
"""Characters."""

_LABEL = re.compile(
    r"^[ \t]{0,3}(?:[*_]{1,3})?(patient|therapist)(?:[*_]{1,3})?[ \t]*:[ \t]*(?:[*_]{1,3}(?=\s|$))?[ \t]*",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"^\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]$", re.DOTALL)
_ERROR_WORDS = re.compile(
    r"error|exception|fail|maximum context|max_model_len|context length|timed? ?out|refused|unavailable"
    r"|traceback|no response",
    re.I,
)
_PREAMBLE = re.compile(r"^\s*(?:#.*|[-*_=]{3,}\s*)?$")
"""What may stand before the first label: blank lines, headings and rules."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The lines of a recorded session, in order."""

    patient: tuple[str, ...]
    """What a replayed patient speaks."""
    therapist: tuple[str, ...]
    """What was answered then; for reference only."""
    error: str | None = None
    """The bracketed error that ended the recorded session, where one did."""


@dataclass(slots=True)
class _Entry:
    """A labelled turn as it stands in a text file."""

    speaker: Speaker
    line: int
    """Line of its label, counted from 1."""
    text: str


def read_transcript(path: Path, session: str | None = None) -> Transcript:
    """Read `path`. `session` names one session of a sessions.jsonl; it may be left out where the file holds only one.

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
            f"{path}: is a folder; patient.transcript expects a file, as its sessions.jsonl"
        ) from error
    except OSError as error:
        raise TranscriptError(f"{path}: can't be read: {error.strerror or error}") from error
    if session is not None:
        raise TranscriptError(
            f"{path}: is a text transcript, but patient.session={session} asks for one of a sessions.jsonl"
        )
    return _from_text(path, _decoded(path, content))


def _decoded(path: Path, content: bytes, line: int = 1) -> str:
    """Text from bytes of which the first stands in `line`."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        raise TranscriptError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error


def _from_text(path: Path, text: str) -> Transcript:
    entries = list(_entries(path, text))
    if not entries:
        raise TranscriptError(
            f"{path}:1: no turn found; expected paragraphs that begin with 'Patient:' or 'Therapist:'"
        )
    ended_by: str | None = None
    if _ended_by_error(entries[-1].speaker, entries[-1].text):
        ended_by = entries.pop().text
    for entry in entries:
        _check(f"{path}:{entry.line}", entry.speaker, entry.text, "expected text after the label")
    return _transcript(path, [(entry.speaker, entry.text) for entry in entries], ended_by)


def _entries(path: Path, text: str) -> Iterator[_Entry]:
    current: _Entry | None = None
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        label = _LABEL.match(line)
        if label is None:
            if current is None and not _PREAMBLE.match(line):
                raise TranscriptError(
                    f"{path}:{number}: expected 'Patient:' or 'Therapist:' before any text, found {line.strip()[:40]!r}"
                )
            if line.lstrip().startswith('{"session_id"'):
                raise TranscriptError(f"{path}:{number}: a line of a sessions.jsonl inside a text transcript")
            lines.append(line)
            continue
        if current is not None:
            yield _Entry(current.speaker, current.line, "\n".join(lines).strip())
        current = _Entry(Speaker(label.group(1).lower()), number, "")
        lines = [line[label.end() :]]
    if current is not None:
        yield _Entry(current.speaker, current.line, "\n".join(lines).strip())


def is_error(text: str) -> bool:
    """Whether a whole turn is an error in brackets, as `[Error: maximum context length ...]`."""
    return bool(_BRACKETED.match(text) and _ERROR_WORDS.search(text))


def _check(place: str, speaker: Speaker, text: str, expected: str = "expected text") -> None:
    """Refuse what nobody said, and what no turn is."""
    if not text.strip():
        raise TranscriptError(f"{place}: the {speaker}'s turn is empty; {expected}")
    if is_error(text):
        raise TranscriptError(
            f"{place}: the {speaker}'s turn is an error message ({text[:60]}); only the last therapist turn may be one"
        )
    if len(text) > LONGEST_TURN:
        raise TranscriptError(
            f"{place}: the {speaker}'s turn has {len(text)} characters; expected at most {LONGEST_TURN}"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TranscriptError(f"{place}: the {speaker}'s turn holds half of a surrogate pair, which is no text")


def _from_jsonl(path: Path, file: BinaryIO, wanted: str | None) -> Transcript:
    found: dict[str, int] = {}
    transcript: list[tuple[Speaker, str]] = []
    for number, content in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
        if len(content) == LONGEST_LINE:
            raise TranscriptError(f"{path}:{number}: expected a line of at most {LONGEST_LINE} bytes")
        line = _decoded(path, content, number)
        if not line.strip():
            continue
        session_id, turns = _session(path, number, line)
        if session_id in found:
            raise TranscriptError(
                f"{path}:{number}: session {session_id!r} stands there again, after line {found[session_id]}"
            )
        found[session_id] = number
        if wanted in (session_id, None):
            transcript = turns
    if wanted is None and len(found) == 1:
        wanted = next(iter(found))
    if wanted is None or wanted not in found:
        some = ", ".join(map(one_line, list(found)[:8])) + (f", ... ({len(found)} in all)" if len(found) > 8 else "")
        asked = "patient.session is not set" if wanted is None else f"no session {wanted!r}"
        raise TranscriptError(f"{path}: {asked}; expected one of {some}")
    error = transcript.pop()[1] if transcript and _ended_by_error(*transcript[-1]) else None
    for index, (speaker, text) in enumerate(transcript):
        if speaker is Speaker.PATIENT or text.strip():
            _check(f"{path}:{found[wanted]}: turns.{index}", speaker, text)
    return _transcript(path, transcript, error)


def _ended_by_error(speaker: Speaker, text: str) -> bool:
    return speaker is Speaker.THERAPIST and is_error(text)


def _session(path: Path, number: int, line: str) -> tuple[str, list[tuple[Speaker, str]]]:
    place = f"{path}:{number}"
    if _LABEL.match(line):
        raise TranscriptError(f"{place}: a text turn inside a sessions.jsonl; expected one JSON object a line")
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
