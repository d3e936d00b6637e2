"""Imported sessions as read from files of any format.

Invariants:
- A session is read completely or refused with file and place. Nothing is guessed, and an error never becomes dialogue.
- Consecutive utterances of one speaker become one turn, with all their labels.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.agents.text_form import check_turn, decoded, ended_by_error
from harness.errors import TranscriptError, did_you_mean
from harness.reading.files import read_bytes
from harness.types import Speaker

MOST_TURNS = 20_000
"""Most turns of one session; a table without a session column may have more."""
LONGEST_ID = 160
"""Most characters of an id."""
LARGEST_FILE = 1 << 29
"""Most bytes of one file."""
KNOWN_SPEAKERS: Mapping[str, Speaker] = {
    **dict.fromkeys(("patient", "client", "user", "human", "seeker", "usr"), Speaker.PATIENT),
    **dict.fromkeys(
        ("therapist", "counselor", "counsellor", "assistant", "gpt", "supporter", "sys", "chatgpt"), Speaker.THERAPIST
    ),
}
"""Names of speakers that need no mapping, in lower case."""
SILENT = frozenset({"system", "developer", "tool", "function", "observation", "function_call"})
"""Roles that don't speak in a session; their text goes to its `meta`."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._@+=-]+")


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance as read from a file."""

    speaker: Speaker
    text: str
    place: str
    """FILE:LINE, or another description of its place."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """Its labels by people."""


@dataclass(frozen=True, slots=True)
class Found:
    """A session as read from a file."""

    session_id: str
    place: str
    turns: tuple[Said, ...]
    persona: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    """Labels by people of the whole session."""
    merged: int = 0
    """Number of utterances that were merged into the one before."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The user's description of the files."""

    speakers: Mapping[str, Speaker] = field(default_factory=dict)
    """Roles by speaker name in lower case; they take precedence over the known names."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """csv: the columns of `text`, `speaker`, `session`, `persona` and `order`."""
    labels: tuple[str, ...] = ()
    """csv: columns to keep as labels of a turn; `all` for every column not used otherwise."""
    meta: tuple[str, ...] = ()
    """csv: columns to keep once per session."""

    def speaker(self, name: object, place: str) -> Speaker | None:
        """The role of a name; None for a role that does not speak. Raises `TranscriptError`."""
        if not isinstance(name, str) or not name.strip():
            raise TranscriptError(f"{place}: speaker: found {name!r}, expected a name")
        known = {**KNOWN_SPEAKERS, **self.speakers}
        key = name.strip().lower()
        if key in known:
            return known[key]
        if key in SILENT:
            return None
        raise TranscriptError(
            f"{place}: speaker {name.strip()[:40]!r} is not known{did_you_mean(key, known)}; "
            f"give its role with --speakers '{name.strip()[:40]}=patient' or =therapist"
        )


def utterance(speaker: Speaker, text: object, place: str, labels: Mapping[str, Any] | None = None) -> Said:
    """A checked utterance, except that an error of the therapist's is left to `session`. Raises `TranscriptError`."""
    if not isinstance(text, str):
        raise TranscriptError(f"{place}: text: found {type(text).__name__}, expected a string")
    said = text.replace("\r\n", "\n").strip()
    if not ended_by_error(speaker, said):
        check_turn(place, speaker, said, "expected what was said")
    if "\x00" in said:
        raise TranscriptError(f"{place}: the text holds a NUL character; expected text")
    return Said(speaker, said, place, labels or {})


def session(
    session_id: str,
    place: str,
    said: Sequence[Said],
    *,
    persona: object = None,
    meta: Mapping[str, Any] | None = None,
    labels: Mapping[str, Any] | None = None,
) -> Found:
    """A checked session. An error that ended it is no turn; it goes to `meta`. Raises `TranscriptError`."""
    meta = dict(meta or {})
    if said and ended_by_error(said[-1].speaker, said[-1].text):
        *said, last = said
        meta["error"] = last.text
    for one in said:
        check_turn(one.place, one.speaker, one.text)
    turns = tuple(_merged(said))
    missing = [speaker for speaker in Speaker if all(turn.speaker is not speaker for turn in turns)]
    if missing:
        raise TranscriptError(f"{place}: session {session_id}: no turn of the {missing[0]}; expected both speakers")
    if len(turns) > MOST_TURNS:
        raise TranscriptError(f"{place}: session {session_id}: {len(turns)} turns; expected at most {MOST_TURNS}")
    if persona is not None and (
        isinstance(persona, bool) or not isinstance(persona, str | int) or not str(persona).strip()
    ):
        raise TranscriptError(f"{place}: session {session_id}: persona: found {persona!r}, expected an id")
    identity, name = safe_id(session_id), None if persona is None else safe_id(str(persona))
    if identity != session_id.strip():
        meta.setdefault("id", session_id)
    if name is not None and name != str(persona).strip():
        meta.setdefault("persona", persona)
    return Found(identity, place, turns, name, meta, labels or {}, len(said) - len(turns))


def safe_id(text: str) -> str:
    """An id made from a text that can be a file name.

    It ends with a digest of the text if letters or digits had to be left out, so that it stays apart from others.
    """
    text = text.strip()
    safe = _UNSAFE.sub("-", text).lstrip("-._@+=").rstrip("-.")
    lost = "".join(_UNSAFE.findall(text))
    if safe and len(safe) <= LONGEST_ID and not any(map(str.isalnum, lost)):
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(filter(None, (safe[: LONGEST_ID - len(digest) - 1], digest)))


def read_bounded(path: Path) -> str:
    """The text of a file. Raises `TranscriptError`."""
    try:
        text = decoded(path, read_bytes(path, LARGEST_FILE))
    except FileNotFoundError as error:
        raise TranscriptError(f"{path}: no such file; expected a transcript") from error
    except OSError as error:
        raise TranscriptError(f"{path}: can't be read: {error.strerror or error}") from error
    if not text.strip():
        raise TranscriptError(f"{path}: is empty; expected sessions")
    return text


def _merged(said: Sequence[Said]) -> Iterator[Said]:
    """Alternating turns: consecutive utterances of one speaker become one turn, with a line for each."""
    parts: list[Said] = []
    for one in said:
        if parts and parts[-1].speaker is not one.speaker:
            yield _joined(parts)
            parts = []
        parts.append(one)
    if parts:
        yield _joined(parts)


def _joined(parts: Sequence[Said]) -> Said:
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.labels)
    labels = {name: [part.labels[name] for part in parts if name in part.labels] for name in names}
    flat = {name: values[0] if len(values) == 1 else values for name, values in labels.items()}
    return Said(parts[0].speaker, "\n".join(part.text for part in parts), parts[0].place, flat)
