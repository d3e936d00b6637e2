"""Shortening one text in its middle, with a mark that shows how much is missing."""

from collections.abc import Callable

NEAR = 24
"""A cut moves to a space at most this many characters away."""


def shorten(text: str, max_tokens: int, count: Callable[[str], int]) -> str:
    """`text` if it has at most `max_tokens` by `count`, else its beginning and end around a mark.

    The same text and bound always give the same result. A bound too small for the mark leaves only a beginning.
    """
    if len(text.encode()) < max_tokens:  # a token has at least one byte; one more may be the tokenizer's prefix space
        return text
    tokens = count(text)
    if tokens <= max_tokens:
        return text
    keep = len(text) * max_tokens // tokens
    while keep > 0:
        short = _cut(text, keep)
        tokens = count(short)
        if tokens <= max_tokens:
            return short
        keep = min(keep - 1, keep * max_tokens // tokens)
    keep = max_tokens * len(text) // count(text)
    while keep > 0 and count(text[:keep]) > max_tokens:
        keep -= 1
    return text[:keep]


def _cut(text: str, keep: int) -> str:
    """`text` with about `keep` characters left, half of them at either end."""
    head = text[: _at_space(text, keep - keep // 2)].rstrip()
    tail = text[_at_space(text, len(text) - keep // 2) :].lstrip()
    left_out = text[len(head) : len(text) - len(tail)]
    words = len(left_out.split())
    amount = f"{words:,} words" if words > 1 else f"{len(left_out):,} characters"
    return f"{head} [... {amount} left out ...] {tail}".strip()


def _at_space(text: str, at: int) -> int:
    for step in range(NEAR):
        for place in (at - step, at + step):
            if 0 < place < len(text) and text[place].isspace():
                return place
    return at
