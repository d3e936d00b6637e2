"""Whether a patient's words tell what a layer holds: by the layer's own telling words, in whatever form they come.

A rule over words: it knows a paraphrase by the words it keeps and misses one that keeps none.
"""

from functools import lru_cache
from math import fsum

from harness.agents.english import telling
from harness.personas.schema import Layer
from harness.text.words import content_stems, words

SAID = 0.2
"""Share of a layer's telling words from which its content is said."""
FEWEST = 2
"""Of its words at least so many."""


def says(text: str, layer: Layer) -> bool:
    """Whether the text tells the layer's content."""
    wanted, whole = _wanted(layer.content, layer.topic)
    kept = wanted & content_stems(words(text))
    return len(kept) >= min(FEWEST, len(wanted)) and fsum(map(telling, kept)) >= SAID * whole


@lru_cache(maxsize=1024)
def _wanted(content: str, topic: str) -> tuple[frozenset[str], float]:
    """The stems that the content holds and its topic doesn't, and what they weigh together."""
    stems = content_stems(words(content)) - content_stems(words(topic))
    stems = stems or content_stems(words(content))
    return stems, fsum(map(telling, stems))
