"""Detects servers that silently read only a part of a prompt, by the token counts that they report.

Ollama and others cut what is longer than the window they were started with, answer with status 200, and report the tokens
that are left: the count stops rising, falls back (to half the window), or lies far below ours from the start.

Invariants:
- A prompt that goes on from another one has more tokens, whoever counts.
- A count to which no server can have cut is ignored.
"""

from harness.types import Generation, Prompt

LEAST_WINDOW = 256
"""Tokens; no server cuts prompts to less. A smaller count for a much longer prompt is made up."""
FAR_BELOW = 0.5
"""Share of our count. A lower count is another tokenizer's, or a cut."""
OF_WORDS = 0.75
"""Tokens per word of a prompt: no tokenizer makes fewer."""
EXACT = 0.95
"""Share of our count where the engine's tokenizer is ours; the rest allows for tokens that it adds or leaves out."""
MOST_RATIO, MORE = 4, 512
"""A count above `MOST_RATIO` times ours plus `MORE` is ignored."""
_SURELY_LONGER = 32
"""Tokens by which a prompt must have grown to count as longer, whatever direction ends it."""


class Rising:
    """The prompts of one view, each of which extends the one before: our count and the engine's count of the longest one that
    was read whole."""

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
        """The view changed, so that earlier counts say nothing about the next prompts."""
        self.tokens = self.counted = 0


def believed(prompt: Prompt, generation: Generation) -> int | None:
    """The engine's count of a prompt; None where it gave none, or one that can't be true."""
    counted = generation.prompt_tokens
    if not generation.counted or counted > MOST_RATIO * prompt.tokens + MORE:
        return None
    made_up = counted < LEAST_WINDOW and counted < FAR_BELOW * prompt.tokens
    return None if made_up else counted


def cut_at(prompt: Prompt, counted: int, cached: int, *, exact: bool, rising: Rising | None) -> int | None:
    """The window of an engine that read only `counted` tokens of a prompt; None where it read the prompt whole.

    `cached` is the number of tokens from its cache, which some engines leave out of their count.
    """
    tokens = prompt.tokens
    read = counted + cached if cached and counted < FAR_BELOW * tokens else counted
    stopped = rising is not None and rising.stopped(tokens, read)
    least = EXACT * tokens if exact else min(FAR_BELOW * tokens, OF_WORDS * _words(prompt))
    if not stopped and read >= least:
        return None
    return max(read, rising.counted if rising is not None else 0)


def _words(prompt: Prompt) -> int:
    """Words in the messages of a prompt; in scripts without blanks between words, a quarter of the characters."""
    texts = [message.content for message in prompt.messages]
    blanks = sum(len(text.split()) for text in texts)
    return blanks + sum("\u3040" <= char <= "\u9fff" for text in texts if not text.isascii() for char in text) // 4
