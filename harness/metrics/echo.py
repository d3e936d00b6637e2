"""Echoes: words that a speaker takes from the other's last turn."""

from harness.metrics.ngrams import Words
from harness.metrics.registry import headline


@headline(
    "therapist.echo",
    label="therapist's words taken from the patient",
    group="Roles",
    share=True,
)
def echoes(words: Words) -> list[float | None]:
    """For each turn, the share of its word 3-grams that occur in the turn before; None for the first turn, and for turns
    without 3-grams."""
    runs = words.threes()
    before = runs.shared(1)[:, 0]
    return [
        number / size if turn and size else None
        for turn, (number, size) in enumerate(zip(before.tolist(), runs.sizes.tolist(), strict=True))
    ]
