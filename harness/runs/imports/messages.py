"""Sessions as JSON: lists of messages as chat models take them, and ShareGPT.

A file is JSON (one session, or a list of them) or JSON Lines (one session a line). A session is a list of messages, or an
object that holds it under one of `LISTS`; a message has a name of its speaker and a text, each under one of a few names.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from harness.errors import TranscriptError
from harness.runs.imports.sessions import Found, Layout, Said, read_bounded, session, utterance

LISTS = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns", "utterances")
_SPEAKERS = ("role", "speaker", "from", "interlocutor")
_TEXTS = ("content", "text", "value", "utterance")
_IDS = ("session_id", "id", "conversation_id", "dialog_id")
_SHAREGPT = (("conversations",), ("from",), ("value",))


def read_messages(path: Path, layout: Layout) -> Iterator[Found]:
    """The sessions of a file of messages. Raises `TranscriptError`."""
    return _sessions(path, layout, LISTS, _SPEAKERS, _TEXTS)


def read_sharegpt(path: Path, layout: Layout) -> Iterator[Found]:
    """The sessions of a ShareGPT file. Raises `TranscriptError`."""
    return _sessions(path, layout, *_SHAREGPT)


def _sessions(
    path: Path, layout: Layout, lists: tuple[str, ...], speakers: tuple[str, ...], texts: tuple[str, ...]
) -> Iterator[Found]:
    found = list(_records(path))
    for number, (place, record) in enumerate(found):
        listed, rest = _messages(record, lists, place)
        said: list[Said] = []
        system: list[str] = []
        for index, message in enumerate(listed):
            at = f"{place}: message {index}"
            if not isinstance(message, Mapping):
                raise TranscriptError(f"{at}: found {type(message).__name__}, expected an object")
            name, text = _key(message, speakers, at), _key(message, texts, at)
            speaker = layout.speaker(message[name], at)
            content = _content(message[text], at)
            if speaker is None:
                system.append(str(content))
                continue
            labels = {key: value for key, value in message.items() if key not in (name, text)}
            said.append(utterance(speaker, content, at, labels))
        if system:
            rest["system"] = "\n\n".join(system)
        named = next((rest.pop(key) for key in _IDS if isinstance(rest.get(key), str | int)), None)
        name = str(named) if named is not None else path.stem if len(found) == 1 else f"{path.stem}-{number:04d}"
        persona = next((rest.pop(key) for key in ("persona_id", "persona") if key in rest), None)
        yield session(name, place, said, persona=persona, meta=rest)


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    """Each session with its place."""
    text = read_bounded(path)
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) < 2:
            raise TranscriptError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
        for number, line in lines:
            try:
                yield f"{path}:{number}", orjson.loads(line)
            except orjson.JSONDecodeError as wrong:
                raise TranscriptError(f"{path}:{number}: not JSON: {wrong.msg}; expected one session a line") from wrong
        return
    if not isinstance(whole, list) or _is_message(whole):
        yield str(path), whole
        return
    if not whole:
        raise TranscriptError(f"{path}: an empty list; expected sessions")
    for number, record in enumerate(whole):
        yield f"{path}: session {number}", record


def _is_message(listed: list[Any]) -> bool:
    """Whether a list is one session and no list of sessions."""
    first = listed[0] if listed else None
    return isinstance(first, Mapping) and any(key in first for key in _SPEAKERS)


def _messages(record: Any, lists: tuple[str, ...], place: str) -> tuple[list[Any], dict[str, Any]]:
    """The messages of a session, and what else it says."""
    if isinstance(record, list):
        return record, {}
    if not isinstance(record, Mapping):
        raise TranscriptError(f"{place}: found {type(record).__name__}, expected a session")
    key = next((key for key in lists if isinstance(record.get(key), list)), None)
    if key is None:
        raise TranscriptError(f"{place}: no list of messages; expected {' or '.join(lists[:3])}")
    return record[key], {name: value for name, value in record.items() if name != key}


def _key(message: Mapping[str, Any], names: tuple[str, ...], place: str) -> str:
    found = next((name for name in names if name in message), None)
    if found is None:
        raise TranscriptError(
            f"{place}: no {' or '.join(names[:2])}; found {', '.join(map(str, message)) or 'nothing'}"
        )
    return found


def _content(value: Any, place: str) -> Any:
    """A text, also where it stands as a list of parts."""
    if not isinstance(value, list):
        return value
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in value]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) != len(parts):
        raise TranscriptError(f"{place}: a part that is no text; expected texts only")
    return "\n".join(texts)
