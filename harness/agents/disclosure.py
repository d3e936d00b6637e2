"""Decides whether a patient's turn tells the content of a disclosure layer, by the layer's specific words.

A paraphrase is found by the words that it keeps; one that keeps none is missed.
"""

from collections.abc import Set
from functools import lru_cache
from math import fsum

from harness.agents.english import specificity
from harness.personas.schema import Layer
from harness.text.words import content_stems, words

SAID = 0.2
"""Least share of a layer's words, weighted by specificity, that must be said."""
FEWEST = 2
"""Least number of its words that must be said, or all if it has fewer."""


def says(stems: Set[str], layer: Layer) -> bool:
    """Whether a turn with content words of these `stems` tells the layer's content."""
    wanted, whole = _wanted(layer.content, layer.topic)
    kept = wanted & stems
    return len(kept) >= min(FEWEST, len(wanted)) and fsum(map(specificity, kept)) >= SAID * whole


@lru_cache(maxsize=1024)
def _wanted(content: str, topic: str) -> tuple[frozenset[str], float]:
    """The stems of the content that are not in the topic, and the sum of their specificities."""
    stems = content_stems(words(content)) - content_stems(words(topic))
    stems = stems or content_stems(words(content))
    return stems, fsum(map(specificity, stems))
