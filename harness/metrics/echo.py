"""Echoes: what a speaker repeats of what the other one just said."""

from harness.metrics.ngrams import Words
from harness.metrics.registry import headline


@headline(
    "therapist.echo",
    label="therapist's words taken from the patient",
    group="Roles",
    share=True,
    says="with {a} the therapist takes {by} of its words from the patient's last turn than with {b}",
)
def echoes(words: Words) -> list[float | None]:
    """Of each turn the share of its word 3-grams that stand in the turn before; None for the first and without runs."""
    runs = words.threes()
    before = runs.shared(1)[:, 0]
    return [
        number / size if turn and size else None
        for turn, (number, size) in enumerate(zip(before.tolist(), runs.sizes.tolist(), strict=True))
    ]
