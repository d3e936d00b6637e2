"""Reads the text form of a session: an optional YAML head between two lines `---`, then labelled paragraphs.

The labels are `Patient:` and `Therapist:`. Invariant: an error is never said. A bracketed error in place of the last
therapist turn, or in a paragraph after the last turn, is removed; anywhere else it is refused.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import TranscriptError
from harness.text.visible import one_line
from harness.types import Speaker

LABELS: Mapping[str, Speaker] = {str(speaker): speaker for speaker in Speaker}
"""Label in lower case to its speaker."""
MOST_BYTES = 32_000_000
"""Maximum size of a text transcript; an hour of talk takes 60,000 bytes."""
LONGEST_TURN = 100_000
"""Maximum characters of a turn."""
_RULE = "---"
_BRACKETED = re.compile(r"^\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]$", re.DOTALL)
_ERROR_WORDS = re.compile(
    r"error|exception|fail|maximum context|max_model_len|context length|timed? ?out|refused|unavailable"
    r"|traceback|no response",
    re.I,
)
_NAMES_AN_ERROR = re.compile(r"^\[\W*(?:\w+ )?\w*(?:error|exception|traceback|timeout)\b", re.I)
"""The stricter form for a paragraph, which may be a stage direction such as `[fails to look up]`."""
_PARAGRAPHS = re.compile(r"\n\s*\n")
_PREAMBLE = re.compile(r"^\s*(?:#.*|[-*_=]{3,}\s*)?$")
"""What may stand before the first label: blank lines, headings and rules."""


@dataclass(slots=True)
class Entry:
    """A labelled turn of a text file."""

    speaker: Speaker
    line: int
    """1-based line of its label."""
    text: str


@dataclass(frozen=True, slots=True)
class TextForm:
    """The content of a text file."""

    head: Mapping[str, Any]
    """The YAML head; empty without one."""
    entries: tuple[Entry, ...]
    error: str | None = None
    """The bracketed error that ended the recorded session; None if none did."""


def decoded(path: Path, content: bytes, line: int = 1) -> str:
    """The text of bytes in UTF-8, or in UTF-16 with a byte order mark; `line` is the number of their first line.

    Raises `TranscriptError` if they are neither.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            line += content[: error.start].decode("utf-16", "replace").count("\n")
            raise TranscriptError(
                f"{path}:{line}: begins as UTF-16 and breaks off here; save the file as UTF-8"
            ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        raise TranscriptError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error


def check_turn(place: str, speaker: Speaker, text: str, expected: str = "expected text") -> None:
    """Raises `TranscriptError` for a turn that is empty, an error message, too long or not valid text."""
    if not text.strip():
        raise TranscriptError(f"{place}: the {speaker}'s turn is empty; {expected}")
    if is_error(text):
        raise TranscriptError(
            f"{place}: the {speaker}'s turn is an error message ({one_line(text)[:60]}); only the last therapist turn may be one"
        )
    if found := next(filter(_is_error_paragraph, _PARAGRAPHS.split(text.strip())), None):
        raise TranscriptError(
            f"{place}: an error message stands in the {speaker}'s turn ({one_line(found)[:60]}); remove it, or end the file there"
        )
    if len(text) > LONGEST_TURN:
        raise TranscriptError(
            f"{place}: the {speaker}'s turn has {len(text)} characters; expected at most {LONGEST_TURN}"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TranscriptError(
            f"{place}: the {speaker}'s turn contains half of a surrogate pair, which is not valid text"
        )


def ended_by_error(speaker: Speaker, text: str) -> bool:
    """Whether this last turn of a session is the error that ended it."""
    return speaker is Speaker.THERAPIST and is_error(text)


def parse_text(path: Path, text: str, labels: Mapping[str, Speaker] = LABELS) -> TextForm:
    """The session in `text`. `path` is for messages. Raises `TranscriptError` with the file and the line number."""
    lines = text.splitlines()
    label = _label(labels)
    end = _end_of_head(lines, label)
    head = _head(path, lines[1 : end - 1]) if end else {}
    entries = list(_entries(path, lines, end, label, labels))
    if not entries:
        names = " or ".join(repr(f"{name.capitalize()}:") for name in list(labels)[:2])
        raise TranscriptError(f"{path}:1: no turn found; expected paragraphs that begin with {names}")
    last, ended_by = entries[-1], None
    *said, paragraph = _PARAGRAPHS.split(last.text)
    if ended_by_error(last.speaker, last.text):
        ended_by = entries.pop().text
    elif said and _is_error_paragraph(paragraph):
        ended_by = paragraph
        last.text = last.text[: -len(paragraph)].rstrip()
    for entry in entries:
        check_turn(f"{path}:{entry.line}", entry.speaker, entry.text, "expected text after the label")
    return TextForm(head, tuple(entries), ended_by)


def is_label(line: str) -> bool:
    """Whether a line begins a turn."""
    return _label(LABELS).match(line) is not None


def is_error(text: str) -> bool:
    """Whether a whole turn is an error in brackets, such as `[Error: maximum context length ...]`."""
    return bool(_BRACKETED.match(text) and _ERROR_WORDS.search(text))


def _is_error_paragraph(text: str) -> bool:
    return bool(_BRACKETED.match(text) and _NAMES_AN_ERROR.match(text))


def _label(labels: Mapping[str, Speaker]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(labels, key=len, reverse=True))
    return re.compile(
        rf"^[ \t]{{0,3}}(?:[*_]{{1,3}})?({names})(?:[*_]{{1,3}})?[ \t]*:[ \t]*(?:[*_]{{1,3}}(?=\s|$))?[ \t]*",
        re.IGNORECASE,
    )


def _end_of_head(lines: list[str], label: re.Pattern[str]) -> int:
    """Lines of the head, both `---` included; 0 without one. `---` before a blank line or a turn is not a head."""
    if len(lines) < 3 or lines[0].rstrip() != _RULE or not lines[1].strip() or label.match(lines[1]):
        return 0
    ends = (number for number, line in enumerate(lines[1:], 2) if line.rstrip() == _RULE)
    return next(ends, 0)


def _head(path: Path, lines: list[str]) -> Mapping[str, Any]:
    try:
        head = yaml.safe_load("\n".join(lines))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 2 + (min(mark.line, len(lines) - 1) if mark is not None else 0)
        problem = getattr(error, "problem", None) or "can't be read"
        raise TranscriptError(
            f"{path}:{line}: the head is not valid YAML: {problem}; expected lines KEY: VALUE"
        ) from error
    except RecursionError as error:
        raise TranscriptError(f"{path}:2: the head is nested too deeply; expected lines KEY: VALUE") from error
    if not isinstance(head, dict) or not all(isinstance(key, str) for key in head):
        raise TranscriptError(f"{path}:2: the head is not a mapping; expected lines KEY: VALUE")
    return head


def _entries(
    path: Path, lines: list[str], begin: int, label: re.Pattern[str], labels: Mapping[str, Speaker]
) -> Iterator[Entry]:
    current: Entry | None = None
    said: list[str] = []
    for number, line in enumerate(lines[begin:], begin + 1):
        match = label.match(line)
        if match is None:
            if current is None and not _PREAMBLE.match(line):
                names = " or ".join(repr(f"{name.capitalize()}:") for name in list(labels)[:2])
                raise TranscriptError(f"{path}:{number}: expected {names} before any text, found {line.strip()[:40]!r}")
            if line.lstrip().startswith('{"session_id"'):
                raise TranscriptError(f"{path}:{number}: a line of a sessions.jsonl inside a text transcript")
            said.append(line)
            continue
        if current is not None:
            yield Entry(current.speaker, current.line, "\n".join(said).strip())
        current = Entry(labels[match.group(1).lower()], number, "")
        said = [line[match.end() :]]
    if current is not None:
        yield Entry(current.speaker, current.line, "\n".join(said).strip())
