"""Finds the lines of values in a JSON text, so that messages can name the line of a mistake.

The text has been parsed as JSON before; this module only walks through it. Callers must ask for values in order.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)  # numbers only have to be passed, however long they are
_SPACE = re.compile(r"[ \t\r\n]*")


class Lines:
    """Line numbers of a text by offset, from 1; offsets must not decrease."""

    def __init__(self, text: str) -> None:
        self._text, self._offset, self._line = text, 0, 1

    def at(self, offset: int) -> int:
        """The line of this offset."""
        self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line


def start(text: str) -> int:
    """Offset of the first value."""
    return _skip(text, 0)


def elements(text: str, at: int) -> Iterator[int]:
    """Offset of every element of the array that begins at `at`."""
    at = _skip(text, at + 1)
    while text[at] != "]":
        yield at
        at = _after(text, at)


def member(text: str, at: int, name: str) -> int:
    """Offset of the value under a name in the object at `at`; of the last one, as JSON readers do."""
    at, found = _skip(text, at + 1), -1
    while text[at] != "}":
        key, at = _decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if key == name:
            found = at
        at = _after(text, at)
    return found


def _after(text: str, at: int) -> int:
    """Offset after the value at `at` and its comma."""
    at = _skip(text, _decode(text, at)[1])
    return _skip(text, at + 1) if text[at] == "," else at


def _decode(text: str, at: int) -> tuple[Any, int]:
    return _DECODER.raw_decode(text, at)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
