"""Reads JSON as servers send it, tolerantly and with bounds.

Invariant: `parse` never raises; JSON that can't be read is None.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import orjson

LARGEST_COUNT = 2**31
"""A larger number is not a count of tokens."""
_ZLIB_OR_GZIP, _RAW = 47, -15
"""`wbits` for zlib: 32 + 15 detects gzip or zlib from the header; -15 is a deflate stream without one."""


class BodyTooLong(Exception):
    """A body has more bytes than its bound."""


def parse(payload: bytes) -> Any:
    """The JSON of a body, or None.

    Servers written in Python send NaN and lone surrogates, which are not JSON; some send a byte order mark.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(payload.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or brackets without end
        return None


def inflate(payload: bytes, encoding: str, most: int) -> bytes:
    """A compressed body, decompressed. Raises `BodyTooLong` past `most` bytes, ValueError if it can't be read."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"a content encoding that was not asked for ({encoding[:20]!r})")
    for wbits in (_ZLIB_OR_GZIP, _RAW):
        decoder = zlib.decompressobj(wbits)
        try:
            plain = decoder.decompress(payload, most + 1)
        except zlib.error:
            continue
        if len(plain) > most:
            raise BodyTooLong
        if decoder.eof:
            return plain
    raise ValueError("a compressed body that is damaged or cut off")


def count(value: object) -> int | None:
    """A count of tokens, which servers also send as a float or as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) < 32 else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value < LARGEST_COUNT or value != int(value):
        return None
    return int(value)


def text_of(value: object) -> str:
    """A string that can be written as UTF-8 (lone surrogates become U+FFFD); empty if `value` is not a string."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object; empty for anything else."""
    return value if isinstance(value, dict) else {}
