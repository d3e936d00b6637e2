"""Splits by persona, and the removal of duplicates across both parts.

Invariants:
- All rows of a persona are in one part.
- No training row is a near duplicate of a test row.
"""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from harness.errors import ConfigError

NEAR = 0.8
"""Jaccard index of word 3-grams at and above which two texts are near duplicates."""
FEWEST = 8
"""Words; a shorter completion occurs in many sessions, so it is compared together with the message that it answers."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Split:
    """Which personas are held out."""

    text: str
    test: frozenset[str]

    def part(self, persona: str) -> str:
        """The part of a persona: `train` or `test`."""
        return "test" if persona in self.test else "train"


def split_of(text: str, personas: Collection[str]) -> Split:
    """A split `persona=SHARE` of these personas by the hash of their ids, so that an added persona moves few others.

    Raises `ConfigError`.
    """
    key, _, value = text.partition("=")
    if key != "persona":
        raise ConfigError(
            f"--split: {text!r}: expected persona=SHARE, as persona=0.9; rows of one persona stay together"
        )
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise ConfigError(f"--split: {value!r}: expected the share of personas to train on, between 0 and 1")
    if len(personas) < 2:
        raise ConfigError(f"--split: {text}: {len(personas)} persona in these runs; expected at least 2")
    ranked = sorted(personas, key=lambda persona: hashlib.sha256(persona.encode()).digest())
    held = min(len(personas) - 1, max(1, round(len(personas) * (1 - share))))
    return Split(text, frozenset(ranked[:held]))


class Seen:
    """Texts of one part, to find their duplicates in the other part."""

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._runs: defaultdict[int, list[int]] = defaultdict(list)
        self._sizes: list[int] = []

    def add(self, texts: Sequence[str]) -> None:
        """`texts` are the message that was answered, and the answer."""
        self._exact.add(_key(texts))
        runs = _runs(texts[-1])
        if runs:
            for run in runs:
                self._runs[run].append(len(self._sizes))
            self._sizes.append(len(runs))

    def holds(self, texts: Sequence[str]) -> bool:
        """Whether these texts are a duplicate, or a near duplicate, of added ones."""
        if _key(texts) in self._exact:
            return True
        runs = _runs(texts[-1])
        common: Counter[int] = Counter(place for run in runs for place in self._runs.get(run, ()))
        return any(shared / (len(runs) + self._sizes[place] - shared) >= NEAR for place, shared in common.items())


def _key(texts: Iterable[str]) -> bytes:
    return hashlib.blake2b("\x1f".join(" ".join(_words(text)) for text in texts).encode(), digest_size=12).digest()


def _runs(text: str) -> set[int]:
    """Hashed word 3-grams; none for a short text."""
    words = _words(text)
    if len(words) < FEWEST:
        return set()
    return {
        int.from_bytes(hashlib.blake2b(" ".join(words[i : i + 3]).encode(), digest_size=8).digest())
        for i in range(len(words) - 2)
    }


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
