"""Aligns the part that all questions of a session share to blocks of the engine's prefix cache.

An engine reuses whole blocks. A block that is only partly shared is computed again for every question: half a block on
average. If the shared part ends with a full block, 40 questions about a transcript of 6,000 tokens cost 1.41 instead of
1.50 times as much as one.
"""

from collections.abc import Sequence

BLOCK = 32
"""Tokens: one block of vLLM on a CPU (as we start it), or two blocks on a GPU."""


def to_full_block(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of tokens that the shared part of two prompts needs to end with a full block.

    The prompts must differ in one token only, which stands for the question; otherwise the result is 0.
    """
    if len(one) != len(other):
        return 0
    same = 0
    while same < len(one) and one[-1 - same] == other[-1 - same]:
        same += 1
    shared = len(one) - same - 1
    return -shared % BLOCK if shared > 0 and one[:shared] == other[:shared] else 0
