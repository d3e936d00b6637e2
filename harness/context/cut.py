"""Servers that silently read only a part of a prompt, told by what they report.

Ollama and others cut what is longer than the window they were started with, answer with status 200, and report the tokens
that are left: the count stops rising, falls back (to half the window), or lies far below ours from the start.

Invariants:
- A prompt that goes on from another one has more tokens, whoever counts.
- A count that no server can have cut to is no count: it is not believed, and nothing follows from it.
"""

from harness.types import Generation, Prompt

LEAST_WINDOW = 256
"""Tokens; no server cuts prompts to less. A smaller count for a much longer prompt is made up."""
FAR_BELOW = 0.5
"""Of our count: what lies below may be another tokenizer's, or a cut."""
OF_WORDS = 0.75
"""Of the words of a prompt: no tokenizer makes fewer tokens of them."""
EXACT = 0.95
"""The same, where the engine's tokenizer is ours; the rest is for what it adds or leaves out."""
MOST_RATIO, MORE = 4, 512
"""A count of more than as many times ours, and as many tokens more, is none."""
_SURELY_LONGER = 32
"""Tokens of ours by which a prompt is longer than another, whatever the direction at its end."""


class Rising:
    """The prompts of one view, each of which goes on from the one before it: what we and the engine counted of the
    longest that was read whole."""

    def __init__(self) -> None:
        self.tokens = 0
        self.counted = 0

    def saw(self, tokens: int, counted: int) -> None:
        """A prompt was read whole."""
        if counted > self.counted:
            self.tokens, self.counted = tokens, counted

    def stopped(self, tokens: int, counted: int) -> bool:
        """Whether the engine counts no more than before although the prompt grew."""
        longer = tokens - self.tokens >= max(_SURELY_LONGER, self.tokens // 32)
        return self.counted >= LEAST_WINDOW and longer and counted <= self.counted

    def forget(self) -> None:
        """The view is another: what was counted of it is worth nothing for the next prompts."""
        self.tokens = self.counted = 0


def believed(prompt: Prompt, generation: Generation) -> int | None:
    """The engine's count of a prompt; None where it has none, or none that can be true."""
    counted = generation.prompt_tokens
    if not generation.counted or counted > MOST_RATIO * prompt.tokens + MORE:
        return None
    made_up = counted < LEAST_WINDOW and counted < FAR_BELOW * prompt.tokens
    return None if made_up else counted


def cut_at(prompt: Prompt, counted: int, cached: int, *, exact: bool, rising: Rising | None) -> int | None:
    """How many tokens an engine takes that read `counted` of a prompt; None where it read it whole.

    `cached` is how many it says to have had in its cache: some leave those out of their count.
    """
    tokens = prompt.tokens
    read = counted + cached if cached and counted < FAR_BELOW * tokens else counted
    stopped = rising is not None and rising.stopped(tokens, read)
    least = EXACT * tokens if exact else min(FAR_BELOW * tokens, OF_WORDS * _words(prompt))
    if not stopped and read >= least:
        return None
    return max(read, rising.counted if rising is not None else 0)


def _words(prompt: Prompt) -> int:
    """Words in the messages of a prompt; of scripts without blanks between words a quarter of the characters."""
    texts = [message.content for message in prompt.messages]
    blanks = sum(len(text.split()) for text in texts)
    return blanks + sum("\u3040" <= char <= "\u9fff" for text in texts if not text.isascii() for char in text) // 4
