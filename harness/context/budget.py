"""How many tokens a prompt may take: the window that all sessions of an engine share, and pure arithmetic on it.

Invariants:
- `prompt_tokens <= Budget.prompt` implies `prompt_tokens + max_new_tokens <= max_model_len`.
- What a window learns from refusals only ever makes later prompts smaller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import PromptCut, PromptRefused

MIN_ROOM = 32
"""Least room for the dialogue, in tokens: one short message of each speaker."""
MESSAGE_SHARE = 3 / 8
"""Largest share of the room for one message: the opening exchange and one message of each speaker always fit."""
PIN_SHARE = 1 / 4
"""Largest share of the room for the opening exchange to be kept."""
NOTE_SHARE = 1 / 8
"""Largest share of the prompt budget for a note."""
REFUSED_SHARE = 7 / 8
"""Share of a refused prompt's length that is tried next where the server does not report its count."""


FIRST_RATIO = 1.25
"""Assumed tokens per token of ours for an engine that counts differently, until it reports a count."""
DRIFT = 1.08
"""Factor by which its next count may exceed what its earlier counts predict."""


class Window:
    """What one engine takes: its window and by how much it counts more than we do. Shared by all sessions on it."""

    def __init__(self, max_model_len: int) -> None:
        self.max_model_len = max_model_len
        self.margin = 0
        """Tokens that the engine may count beyond our count of the same prompt."""
        self.ratio = 1.0
        """Tokens that the engine may count for one of ours; more than 1 only where ours are an estimate."""
        self._estimated = self._told = False
        self.cuts: list[Mapping[str, Any]] = []
        """Prompts that the engine cut, until a session records them as events."""

    def estimate(self, ratio: float = FIRST_RATIO) -> None:
        """From now on our counts are an estimate, to be corrected by what the engine reports."""
        self._estimated = True
        if not self._told:
            self.ratio = ratio

    @property
    def estimated(self) -> bool:
        """Whether our counts are an estimate of the engine's."""
        return self._estimated

    def prompt_budget(self, max_new_tokens: int) -> int:
        """Most tokens that a prompt may have, by our count."""
        return int((self.max_model_len - max_new_tokens) / self.ratio) - self.margin

    def learn(self, refused: PromptRefused, *, tokens: int, max_new_tokens: int) -> None:
        """A prompt of `tokens` was refused as too long, or cut: from now on prompts are smaller than it."""
        if isinstance(refused, PromptCut):
            self.cuts.append({"prompt_tokens": tokens, "read_tokens": refused.limit, "reason": str(refused)})
        if refused.limit is not None and refused.limit > 0:
            self.max_model_len = min(self.max_model_len, refused.limit)
        if refused.counted is not None and self._estimated:
            self.observe(tokens=tokens, counted=refused.counted)
        elif refused.counted is not None:
            self.margin = max(self.margin, refused.counted - tokens)
        excess = self.prompt_budget(max_new_tokens) - int(tokens * REFUSED_SHARE)
        if self.prompt_budget(max_new_tokens) >= tokens:
            self.margin += excess

    def observe(self, *, tokens: int, counted: int) -> None:
        """The engine answered a prompt of `tokens` by our count and reported `counted`."""
        if not self._estimated:
            self.margin = max(self.margin, counted - tokens)
            return
        expected = 1.0 if counted == tokens else max(1.0, counted / tokens * DRIFT)
        self.ratio = max(self.ratio, expected) if self._told else expected
        self._told = True


@dataclass(frozen=True, slots=True)
class Budget:
    """The tokens of one speaker's prompts."""

    prompt: int
    """Most tokens of a prompt: `max_model_len - max_new_tokens`, less what the engine counts beyond us."""
    base: int
    """Tokens that every prompt has: system message, template, room for a direction."""
    note_tokens: int = 0
    """Most tokens of a note as configured; 0 without notes."""
    low_water: float = 0.6
    """Share of the prompt budget to which a full view shrinks."""

    @property
    def note_bound(self) -> int:
        """Most tokens of a note: as configured, but at most an eighth of the prompt budget."""
        return max(0, min(self.note_tokens, int(self.prompt * NOTE_SHARE)))

    @property
    def fixed(self) -> int:
        """Tokens that are not the dialogue's."""
        return self.base + self.note_bound

    @property
    def room(self) -> int:
        """Tokens left for the dialogue."""
        return self.prompt - self.fixed

    @property
    def missing(self) -> int:
        """Tokens by which the window is too small for any dialogue; 0 where it is large enough."""
        return max(0, MIN_ROOM - self.room)

    @property
    def message_cap(self) -> int:
        return int(self.room * MESSAGE_SHARE)

    @property
    def pin_cap(self) -> int:
        return int(self.room * PIN_SHARE)

    @property
    def target(self) -> int:
        """Tokens of a view after it shrank; where the fixed part is large, still a quarter of the room."""
        return max(int(self.prompt * self.low_water), self.fixed + self.room // 4)
