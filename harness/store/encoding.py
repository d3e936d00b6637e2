"""JSON as it is written to the files of a run folder."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


def encode(record: Mapping[str, Any]) -> bytes:
    """One JSON line with its newline. Raises TypeError for values that JSON can't represent."""
    try:
        return orjson.dumps(record, default=_default, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_plain(record), default=_default, option=_OPTIONS)


def whole_json(record: BaseModel) -> bytes:
    """The content of a JSON file with one record, indented for people."""
    content = record.model_dump(mode="json")
    try:
        return orjson.dumps(content, option=orjson.OPT_INDENT_2)
    except TypeError:
        return orjson.dumps(_plain(content), option=orjson.OPT_INDENT_2)


def _default(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON data")


def _plain(value: object) -> object:
    """Slow conversion of values that orjson refuses: keys of a str subclass, lone surrogates (become U+FFFD), and
    integers of more than 64 bits (become floats)."""
    if isinstance(value, str):
        return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 10**300 else None
    return _plain(dict(_fields(value))) if is_dataclass(value) and not isinstance(value, type) else value


def _fields(value: Any) -> Iterator[tuple[str, object]]:
    return ((one.name, getattr(value, one.name)) for one in fields(value))
