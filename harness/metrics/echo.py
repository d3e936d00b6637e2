"""Echoes: what a speaker repeats of what the other one just said."""

from harness.metrics.ngrams import Words


def echoes(words: Words) -> list[float | None]:
    """Of each turn the share of its 3-word runs that stand in the turn before; None for the first and without runs."""
    runs = words.threes()
    before = runs.shared(1)[:, 0]
    return [
        number / size if turn and size else None
        for turn, (number, size) in enumerate(zip(before.tolist(), runs.sizes.tolist(), strict=True))
    ]
