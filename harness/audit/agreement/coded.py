"""Reads transcripts with human codes: a CSV or JSONL of turns, or the folder of an imported run.

Each line of a file has `session_id`, `turn` (a number), `speaker` (patient or therapist), `text`, and `codes`: names
such as `reflection`, `open_question` or `advice`, separated by `|`, `;` or `,`; empty if a turn has none. Any other
column may group sessions. A folder has sessions.jsonl and labels.jsonl, as `python -m harness import` writes them; a
label's name is a code, or its value is.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

from harness.audit.agreement.codes import CODES
from harness.errors import TranscriptError
from harness.reading.delimited import dict_reader
from harness.reading.files import opened
from harness.store.files import storage_error
from harness.store.records import read_sessions
from harness.types import Speaker, Turn

MOST_BYTES = 200_000_000
"""Maximum size of a file."""
NEEDED = ("session_id", "turn", "speaker", "text", "codes")
"""Required columns."""
_ENDING = re.compile(r"_(?:exists|subtype|type)$")
"""What the names of columns add to a code."""
_NOT_GIVEN = frozenset(("", "none", "no", "0", "false", "n/a", "nan", "null"))
_SPEAKERS = {"patient": Speaker.PATIENT, "client": Speaker.PATIENT, "therapist": Speaker.THERAPIST}


@dataclass(frozen=True, slots=True)
class CodedSession:
    """A session with its human codes."""

    id: str
    turns: tuple[Turn, ...]
    codes: Mapping[int, frozenset[str]]
    """Index of each coded therapist turn to its codes, which may be empty."""
    groups: Mapping[str, str]
    """Name of each other column to its value for the session."""


def read_coded(path: Path) -> list[CodedSession]:
    """The coded sessions of a file or run folder. Raises `TranscriptError` or `StorageError` with file and line."""
    if path.is_dir():
        return _folder(path)
    rows = list(_rows(path))
    if not rows:
        raise TranscriptError(f"{path}: no lines; expected one per turn, with {', '.join(NEEDED)}")
    by_session: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for line, row in rows:
        missing = [name for name in NEEDED if row.get(name) is None]
        if missing:
            raise TranscriptError(f"{path}:{line}: no {', '.join(missing)}; expected {', '.join(NEEDED)}")
        by_session.setdefault(str(row["session_id"]), []).append((line, row))
    return [_session(path, name, lines) for name, lines in by_session.items()]


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TranscriptError(f"{path}: larger than {MOST_BYTES} bytes; give a part of it")
        with opened(path) as content, io.TextIOWrapper(content, "utf-8-sig", newline="") as file:
            yield from _csv(file) if path.suffix.lower() in (".csv", ".tsv") else _jsonl(path, file)
    except OSError as error:
        raise storage_error(path, "read", error, "give a CSV or JSONL of coded turns, or a run folder") from error
    except UnicodeDecodeError as error:
        raise TranscriptError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); convert it") from error
    except csv.Error as error:
        raise TranscriptError(f"{path}: is not valid CSV: {error}") from error


def _csv(file: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = dict_reader(file)
    for row in reader:
        yield reader.line_num, row


def _jsonl(path: Path, file: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TranscriptError(f"{path}:{number}: is not valid JSON; expected one object per line") from error
        if not isinstance(row, dict):
            raise TranscriptError(f"{path}:{number}: found {type(row).__name__}, expected an object")
        yield number, row


def _session(path: Path, name: str, lines: list[tuple[int, Mapping[str, Any]]]) -> CodedSession:
    """The session of these numbered lines; successive lines of one speaker become one turn."""
    turns: list[Turn] = []
    codes: dict[int, frozenset[str]] = {}
    ordered: list[tuple[float, int, Mapping[str, Any]]] = []
    for line, row in lines:
        try:
            number = float(row["turn"])
        except (TypeError, ValueError):
            number = nan
        if not isfinite(number):
            raise TranscriptError(f"{path}:{line}: turn: found {row['turn']!r}, expected a number")
        ordered.append((number, line, row))
    for _, line, row in sorted(ordered, key=lambda one: (one[0], one[1])):
        speaker = _SPEAKERS.get(str(row["speaker"]).strip().lower())
        if speaker is None:
            raise TranscriptError(f"{path}:{line}: speaker: found {row['speaker']!r}, expected patient or therapist")
        found = names(row["codes"])
        if turns and turns[-1].speaker is speaker:
            text = f"{turns[-1].text} {row['text']}"
            turns[-1] = Turn(len(turns) - 1, speaker, text)
        else:
            turns.append(Turn(len(turns), speaker, str(row["text"])))
        if speaker is Speaker.THERAPIST:
            codes[len(turns) - 1] = codes.get(len(turns) - 1, frozenset()) | found
    groups: dict[str, str] = {}
    for _, row in reversed(lines):  # the first line with a value counts
        groups |= _groups(row)
    return CodedSession(name, tuple(turns), codes, groups)


def _groups(row: Mapping[str, Any]) -> dict[str, str]:
    """What can group sessions: texts and numbers. An empty cell or null is no group."""
    given = {key: str(value).strip() for key, value in row.items() if isinstance(value, str | int | float)}
    return {key: value for key, value in given.items() if value and key not in NEEDED}


def names(codes: object) -> frozenset[str]:
    """The codes in a cell, a list, or a mapping as in label files (`reflection: simple`, `also: [safety]`)."""
    if isinstance(codes, Mapping):
        found: set[str] = set()
        for name, value in codes.items():
            found |= names(value) if name in ("also", "codes") else _named(str(name), value)
        return frozenset(found)
    if isinstance(codes, list | tuple):
        return frozenset().union(*map(names, codes)) if codes else frozenset()
    return frozenset(filter(None, (_tidy(one) for one in re.split(r"[|;,]", str(codes or "")))))


def _named(name: str, value: object) -> set[str]:
    """The codes of one label: `reflection: simple`, `reflection: true`, `behaviour: reflection`, `question_subtype: open`."""
    if isinstance(value, list | tuple):
        return set().union(*(_named(name, one) for one in value))
    if isinstance(value, Mapping):
        return set(names(value))
    kind, code = _tidy(str(value)), _ENDING.sub("", _tidy(name))
    if kind in _NOT_GIVEN:
        return set()
    if kind in CODES:
        return {kind}
    return {code} | ({f"{kind}_{code}"} if kind in ("open", "closed", "simple", "complex") else set())


def _tidy(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _folder(path: Path) -> list[CodedSession]:
    sessions, labels = path / "sessions.jsonl", path / "labels.jsonl"
    if not labels.exists():
        raise TranscriptError(f"{path}: no labels.jsonl; import the transcripts with their labels first")
    coded: dict[str, dict[int, frozenset[str]]] = {}
    for number, row in _rows(labels):
        if row.get("turn") is None or row.get("speaker") == "patient":
            continue
        if not isinstance(row["turn"], int):
            raise TranscriptError(f"{labels}:{number}: turn: found {row['turn']!r}, expected a whole number")
        own = coded.setdefault(str(row.get("session_id")), {})
        own[row["turn"]] = own.get(row["turn"], frozenset()) | names(row.get("labels"))
    found = []
    for session in read_sessions(sessions):
        meta = getattr(session, "meta", None)
        groups = _groups(meta) if isinstance(meta, Mapping) else {}
        if session.session_id in coded:
            known = coded[session.session_id]
            codes = {t.index: known.get(t.index, frozenset()) for t in session.turns if t.speaker is Speaker.THERAPIST}
            found.append(CodedSession(session.session_id, tuple(session.turns), codes, groups))
    if not found:
        raise TranscriptError(f"{path}: no session of sessions.jsonl has labels in labels.jsonl")
    return found
