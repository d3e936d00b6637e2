"""Which sessions a run holds: personas x seeds, with stable ids and derived seeds."""

import hashlib
from collections.abc import Iterator, Sequence

from harness.types import SessionSpec


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**31) that depends on every part and on nothing else, on any machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) >> 1


def plan(personas: Sequence[str], sessions_per_persona: int, seed: int) -> Iterator[SessionSpec]:
    """All sessions of a run, round robin over personas, so that an early stop leaves every persona covered."""
    for index in range(sessions_per_persona):
        for persona in personas:
            yield SessionSpec(f"{persona}-{index:03d}", persona, derive_seed(seed, persona, index), index)
