"""Detects servers that silently read only part of a prompt, by the token counts that they report.

Ollama and others cut prompts that are longer than the window they were started with, answer with status 200, and report
the tokens that are left: the count stops rising, falls back (to half the window), or lies far below ours from the start.

Invariants:
- A prompt that extends another one has more tokens, by every tokenizer.
- A count that no cut can explain is ignored.
"""

from harness.types import Generation, Prompt

LEAST_WINDOW = 256
"""Tokens; no server cuts prompts to fewer. A smaller count for a much longer prompt is wrong."""
FAR_BELOW = 0.5
"""Share of our count. A lower count comes from another tokenizer, or from a cut."""
OF_WORDS = 0.75
"""Tokens per word of a prompt: no tokenizer makes fewer."""
EXACT = 0.95
"""Least share of our count if the engine has our tokenizer; it may add or leave out a few tokens."""
MOST_RATIO, MORE = 4, 512
"""A count above `MOST_RATIO` times ours plus `MORE` is ignored."""
_SURELY_LONGER = 32
"""Tokens by which a prompt must grow to count as longer, with or without a direction at its end."""


class Rising:
    """Token counts of the longest prompt of one view that was read whole: ours and the engine's.

    Each prompt of a view extends the one before.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.counted = 0

    def saw(self, tokens: int, counted: int) -> None:
        """Note the counts of a prompt that was read whole."""
        if counted > self.counted:
            self.tokens, self.counted = tokens, counted

    def stopped(self, tokens: int, counted: int) -> bool:
        """Whether the engine counts no more than before although the prompt grew."""
        longer = tokens - self.tokens >= max(_SURELY_LONGER, self.tokens // 32)
        return self.counted >= LEAST_WINDOW and longer and counted <= self.counted

    def forget(self) -> None:
        """Reset the counts: the view changed, so they say nothing about the next prompts."""
        self.tokens = self.counted = 0


def believed(prompt: Prompt, generation: Generation) -> int | None:
    """The engine's count of a prompt; None if it gave none, or an impossible one."""
    counted = generation.prompt_tokens
    if not generation.counted or counted > MOST_RATIO * prompt.tokens + MORE:
        return None
    impossible = counted < LEAST_WINDOW and counted < FAR_BELOW * prompt.tokens
    return None if impossible else counted


def cut_at(prompt: Prompt, counted: int, cached: int, *, exact: bool, rising: Rising | None) -> int | None:
    """The window of an engine that read only `counted` tokens of a prompt; None if it read the prompt whole.

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
    """Words in the messages of a prompt; in scripts without spaces between words, a quarter of the characters."""
    texts = [message.content for message in prompt.messages]
    blanks = sum(len(text.split()) for text in texts)
    return blanks + sum("\u3040" <= char <= "\u9fff" for text in texts if not text.isascii() for char in text) // 4
