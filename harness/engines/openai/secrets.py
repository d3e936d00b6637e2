"""Removes a key from everything that a server sends.

Invariant: no spelling of the key that a server may echo (escaped, encoded, in other case) is left in a text.
"""

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote

MASK = "[key]"
SHORTEST = 4
"""Characters; a shorter key is not a secret, and masking it would hide half of every message."""
_SHORTEST_BASE64 = 8
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


class Scrubber:
    """Masks one key; without a key it leaves all texts as they are."""

    def __init__(self, key: str) -> None:
        known = sorted(_spellings(key), key=len, reverse=True) if len(key) >= SHORTEST else []
        self._pattern = re.compile("|".join(map(re.escape, known)), re.IGNORECASE) if known else None

    def __call__(self, text: str) -> str:
        """The text without the key. Text that contains the key fully encoded is returned decoded."""
        if self._pattern is None:
            return text
        text = self._pattern.sub(MASK, text)
        for decode in _DECODERS:
            plain = decode(text)
            if plain != text and self._pattern.search(plain):
                text = self._pattern.sub(MASK, plain)
        return text


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "\\u" in text else text


_DECODERS: tuple[Callable[[str], str], ...] = (_unescaped, unquote, lambda text: unquote(unquote(text)), html.unescape)


def _spellings(key: str) -> set[str]:
    escaped = json.dumps(key)[1:-1]
    quoted = quote(key, safe="")
    plain = {key, escaped, json.dumps(escaped)[1:-1], html.escape(key), repr(key)[1:-1]}
    plain |= {spelling.replace("/", "\\/") for spelling in (key, escaped)}
    encoded = {quoted, quote(key), quote_plus(key), quote(quoted, safe=""), key.encode().hex()}
    return {found for found in plain | encoded | _base64(key.encode()) if len(found) >= SHORTEST}


def _base64(key: bytes) -> set[str]:
    """The parts of any Base64 text that contains the key: three forms, by the offset of the key."""
    found = set()
    for offset in range(3):
        coded = base64.b64encode(bytes(offset) + key).decode()
        whole = coded[-(-offset * 8 // 6) : (offset + len(key)) * 8 // 6]
        if len(whole) >= _SHORTEST_BASE64:
            found |= {whole, whole.replace("+", "-").replace("/", "_")}
    return found
