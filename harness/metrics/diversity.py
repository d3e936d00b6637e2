"""How similar the personas' wording is, in bounded memory.

For each persona, the `SIZE` smallest hash values of its content-word pairs are kept (a bottom-k sketch, Cohen & Kaplan
2007). They give an estimate of the Jaccard index of two personas. The hash is CRC-32, the same on every machine.
"""

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from itertools import combinations, pairwise
from typing import Any
from zlib import crc32

from harness.text.words import FUNCTION_WORDS, stem, words

SIZE = 256
MOST = 100
"""Most personas that are compared: the number of pairs grows with the square."""

Sketch = tuple[int, ...]


def sketch(texts: Iterable[str], before: Sketch = ()) -> Sketch:
    """The sketch of these texts and of those behind the sketch `before`."""
    hashes = set(before)
    for text in texts:
        stems = [stem(word) for word in words(text) if word not in FUNCTION_WORDS]
        hashes.update(crc32(f"{a} {b}".encode("utf-8", "replace")) for a, b in pairwise(stems))
    return tuple(nsmallest(SIZE, hashes))


def likeness(a: Sketch, b: Sketch) -> float:
    """Estimated Jaccard index of two vocabularies."""
    union = nsmallest(SIZE, {*a, *b})
    both = set(a) & set(b)
    return sum(value in both for value in union) / len(union) if union else 0.0


def diversity(sketches: Mapping[str, Sketch]) -> dict[str, Any] | None:
    """Mean similarity of all pairs of personas, and the most similar pair; None with fewer than two personas."""
    names = sorted(name for name, values in sketches.items() if values)[:MOST]
    pairs = [(likeness(sketches[a], sketches[b]), a, b) for a, b in combinations(names, 2)]
    if not pairs:
        return None
    top, a, b = max(pairs)
    return {
        "personas": len(names),
        "mean_likeness": round(sum(pair[0] for pair in pairs) / len(pairs), 4),
        "most_alike": {"personas": [a, b], "likeness": round(top, 4)},
    }
