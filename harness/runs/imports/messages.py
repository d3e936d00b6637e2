"""Reads sessions from JSON: lists of chat messages, and ShareGPT.

A file is JSON (one session, or a list of them) or JSON Lines (one session per line). A session is a list of messages, or
an object with such a list under one of `LISTS`. A message has a speaker and a text, each under one of a few names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from harness.errors import TranscriptError
from harness.runs.imports.json_places import Lines, elements, member, start
from harness.runs.imports.sessions import Found, Layout, Said, read_bounded, session, utterance
from harness.types import Speaker

LISTS = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns", "utterances")
_SPEAKERS = ("role", "speaker", "from", "interlocutor")
_TEXTS = ("content", "text", "value", "utterance")
_IDS = ("session_id", "id", "conversation_id", "dialog_id")
_SHAREGPT = (("conversations",), ("from",), ("value",))


def read_messages(path: Path, layout: Layout) -> Iterator[Found]:
    """The sessions of a file of messages. Raises `TranscriptError`."""
    return _shallow(path, _sessions(path, layout, LISTS, _SPEAKERS, _TEXTS))


def read_sharegpt(path: Path, layout: Layout) -> Iterator[Found]:
    """The sessions of a ShareGPT file. Raises `TranscriptError`."""
    return _shallow(path, _sessions(path, layout, *_SHAREGPT))


def _shallow(path: Path, found: Iterator[Found]) -> Iterator[Found]:
    """The same sessions. Raises `TranscriptError` for a file that is nested too deeply."""
    try:
        yield from found
    except RecursionError as error:
        raise TranscriptError(f"{path}:1: is nested too deeply; expected sessions") from error


def _sessions(
    path: Path, layout: Layout, lists: tuple[str, ...], speakers: tuple[str, ...], texts: tuple[str, ...]
) -> Iterator[Found]:
    found = list(_records(path))
    for number, record in enumerate(found):
        key, rest = _list_of(record, lists)
        listed = record.value if key is None else record.value[key]
        said: list[Said] = []
        system: list[str] = []
        for index, (message, place) in enumerate(zip(listed, record.places(key), strict=True)):
            at = f"{place}: message {index}"
            speaker, text, labels = _message(message, layout, speakers, texts, at)
            if speaker is not None:
                said.append(utterance(speaker, text, at, labels))
            elif text is not None:
                system.append(str(text))
        if system:
            own = rest.get("system")  # as a key of the session, beside its messages
            rest["system"] = "\n\n".join([own, *system] if isinstance(own, str) and own.strip() else system)
        named = next((rest.pop(key) for key in _IDS if isinstance(rest.get(key), str | int)), None)
        name = str(named) if named is not None else path.stem if len(found) == 1 else f"{path.stem}-{number:04d}"
        persona = next((rest.pop(key) for key in ("persona_id", "persona") if key in rest), None)
        yield session(name, record.place, said, persona=persona, meta=rest)


def _message(
    message: Any, layout: Layout, speakers: tuple[str, ...], texts: tuple[str, ...], at: str
) -> tuple[Speaker | None, Any, dict[str, Any]]:
    """Speaker, text and labels of a message; speaker and text are None if it only calls a tool."""
    if not isinstance(message, Mapping):
        raise TranscriptError(f"{at}: found {type(message).__name__}, expected an object")
    name = _key(message, speakers, at)
    if _only_calls(message):
        return None, None, {}
    text = _key(message, texts, at)
    labels = {key: value for key, value in message.items() if key not in (name, text)}
    return layout.speaker(message[name], at), _content(message[text], at), labels


@dataclass(frozen=True, slots=True)
class _Record:
    """A session in its JSON form."""

    value: Any
    path: Path
    name: str
    """Which session it is, if the file holds a list of them."""
    line: int
    text: str | None = None
    """The text of the whole file, if the session may span several lines; else None."""
    offset: int = 0

    @property
    def place(self) -> str:
        """FILE:LINE, and the session's name."""
        return f"{self.path}:{self.line}{self.name}"

    def places(self, key: str | None) -> Iterator[str]:
        """The place of every message in the list under `key`; with None, the session itself is the list."""
        if self.text is None:
            yield from (self.place for _ in (self.value if key is None else self.value[key]))
            return
        lines = Lines(self.text)
        listed = self.offset if key is None else member(self.text, self.offset, key)
        for offset in elements(self.text, listed):
            yield f"{self.path}:{lines.at(offset)}{self.name}"


def _records(path: Path) -> Iterator[_Record]:
    text = read_bounded(path)
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        yield from _lines(path, text, error)
        return
    lines, offset = Lines(text), start(text)
    if not isinstance(whole, list) or _is_message(whole):
        yield _Record(whole, path, "", lines.at(offset), text, offset)
        return
    if not whole:
        raise TranscriptError(f"{path}:{lines.at(offset)}: an empty list; expected sessions")
    for number, (value, at) in enumerate(zip(whole, elements(text, offset), strict=True)):
        yield _Record(value, path, f": session {number}", lines.at(at), text, at)


def _lines(path: Path, text: str, why: orjson.JSONDecodeError) -> Iterator[_Record]:
    """The sessions of a JSON Lines file; `why` is the error of reading it as one JSON text."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) < 2:
        raise TranscriptError(f"{path}:{why.lineno}: not JSON: {why.msg}") from why
    for number, line in lines:
        try:
            yield _Record(orjson.loads(line), path, "", number)
        except orjson.JSONDecodeError as wrong:
            raise TranscriptError(f"{path}:{number}: not JSON: {wrong.msg}; expected one session per line") from wrong


def _is_message(listed: list[Any]) -> bool:
    """Whether a list is one session, not a list of sessions."""
    first = listed[0] if listed else None
    return isinstance(first, Mapping) and any(key in first for key in _SPEAKERS)


def _list_of(record: _Record, lists: tuple[str, ...]) -> tuple[str | None, dict[str, Any]]:
    """The key of a session's messages (None: the session itself is the list), and its other keys."""
    value = record.value
    if isinstance(value, list):
        return None, {}
    if not isinstance(value, Mapping):
        raise TranscriptError(f"{record.place}: found {type(value).__name__}, expected a session")
    key = next((key for key in lists if isinstance(value.get(key), list)), None)
    if key is None:
        raise TranscriptError(f"{record.place}: no list of messages; expected {' or '.join(lists[:3])}")
    return key, {name: held for name, held in value.items() if name != key}


def _only_calls(message: Mapping[str, Any]) -> bool:
    """Whether a message of an assistant calls a tool and has no text."""
    content = message.get("content")
    empty = not content.strip() if isinstance(content, str) else not content
    return empty and bool(message.get("tool_calls") or message.get("function_call"))


def _key(message: Mapping[str, Any], names: tuple[str, ...], place: str) -> str:
    found = next((name for name in names if name in message), None)
    if found is None:
        raise TranscriptError(
            f"{place}: no {' or '.join(names[:2])}; found {', '.join(map(str, message)) or 'nothing'}"
        )
    return found


def _content(value: Any, place: str) -> Any:
    """A text, also from a list of parts."""
    if not isinstance(value, list):
        return value
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in value]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) != len(parts):
        raise TranscriptError(f"{place}: a part that is not text; expected only text")
    return "\n".join(texts)
