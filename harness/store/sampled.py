"""How a turn was sampled, in the compact form of its journal line; missing values are left out.

`ids` is base64 of the token ids, 3 bytes each, little-endian (4 characters per token); `end_id` is the token that ended
the turn; `logprobs` is base64 of 32-bit floats, one for each id and one for `end_id`.

Invariant: a line without these fields (a recorded turn, or a run of an older version) reads as None.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.errors import StorageError
from harness.types import Sampled

BYTES = 3
"""Bytes of an id: no vocabulary has 2**24 tokens."""


def sampled_fields(sampled: Sampled) -> dict[str, Any]:
    """The fields of a journal line; empty if nothing is known."""
    fields: dict[str, Any] = {}
    if sampled.ids:
        fields["ids"] = pack_ids(sampled.ids)
    if sampled.end_id is not None:
        fields["end_id"] = sampled.end_id
    if sampled.logprobs:
        fields["logprobs"] = b64encode(np.asarray(sampled.logprobs, dtype="<f4").tobytes()).decode()
    return fields


def sampled_of(record: Mapping[str, Any], place: str) -> Sampled | None:
    """How a journalled turn was sampled; None if its line does not say. Raises `StorageError`, which names `place`."""
    if not record.keys() & {"ids", "end_id", "logprobs"}:
        return None
    try:
        ids = unpack_ids(record.get("ids", ""))
        logprobs = np.frombuffer(b64decode(record.get("logprobs", ""), validate=True), dtype="<f4").tolist()
    except (binascii.Error, ValueError, TypeError) as error:
        raise StorageError(f"{place}: ids or logprobs: not base64 of whole numbers ({error})") from error
    return Sampled(ids, record.get("end_id"), tuple(logprobs))


def pack_ids(ids: Sequence[int]) -> str:
    """Token ids as base64."""
    octets = np.asarray(ids, dtype="<u4").view(np.uint8).reshape(-1, 4)
    return b64encode(octets[:, :BYTES].tobytes()).decode()


def unpack_ids(text: str) -> tuple[int, ...]:
    """Token ids from the text of `pack_ids`. Raises ValueError."""
    octets = np.frombuffer(b64decode(text, validate=True), dtype=np.uint8).reshape(-1, BYTES)
    wide = np.zeros((len(octets), 4), dtype=np.uint8)
    wide[:, :BYTES] = octets
    return tuple(wide.view("<u4").ravel().tolist())
