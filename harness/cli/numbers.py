"""Numbers on the command line, as types for argparse."""

import argparse

LARGEST_SEED = 2**63 - 1


def seed(text: str) -> int:
    """A seed, with the bounds of the setting `seed`."""
    return bounded(text, 0, LARGEST_SEED)


def bounded(text: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`. Raises `ArgumentTypeError`."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"expected a number from {least} to {most}, found {text[:40]!r}")
    return int(text)
