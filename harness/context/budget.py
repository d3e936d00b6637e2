"""How many tokens a prompt may have: the window that all sessions of an engine share, and pure arithmetic on it.

Invariants:
- `prompt_tokens <= Budget.prompt` implies `prompt_tokens + max_new_tokens <= max_model_len`.
- What a window learns from refusals can only make later prompts smaller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import PromptCut, PromptRefused

MIN_ROOM = 32
"""Fewest tokens left for the dialogue: one short message of each speaker."""
MESSAGE_SHARE = 3 / 8
"""Largest share of the room for one message: the opening exchange and one message of each speaker always fit."""
PIN_SHARE = 1 / 4
"""Largest share of the room for the opening exchange to be kept."""
NOTE_SHARE = 1 / 8
"""Largest share of the prompt budget for a note."""
REFUSED_SHARE = 7 / 8
"""Length of the next attempt as a share of a refused prompt, if the server does not report its count."""


FIRST_RATIO = 1.25
"""Assumed engine tokens per token of ours, for an engine that counts differently, until it reports a count."""
DRIFT = 1.08
"""Factor by which the engine's next count may exceed the one that its earlier counts predict."""


class Window:
    """The window of one engine, and how many more tokens it counts than we do. Shared by all its sessions."""

    def __init__(self, max_model_len: int) -> None:
        self.max_model_len = max_model_len
        self.margin = 0
        """Tokens by which the engine's count of a prompt may exceed ours."""
        self.ratio = 1.0
        """Tokens that the engine may count for one of ours; more than 1 only if ours are an estimate."""
        self._estimated = self._reported = False
        self.cuts: list[Mapping[str, Any]] = []
        """Prompts that the engine cut, until a session records them as events."""

    def estimate(self, ratio: float = FIRST_RATIO) -> None:
        """Treat our counts as an estimate from now on, to be corrected by the counts that the engine reports."""
        self._estimated = True
        if not self._reported:
            self.ratio = ratio

    @property
    def estimated(self) -> bool:
        """Whether our counts are an estimate of the engine's."""
        return self._estimated

    def prompt_budget(self, max_new_tokens: int) -> int:
        """The most tokens that a prompt may have, by our count."""
        return int((self.max_model_len - max_new_tokens) / self.ratio) - self.margin

    def learn(self, refused: PromptRefused, *, tokens: int, max_new_tokens: int) -> None:
        """Learn from a prompt of `tokens` that was refused as too long, or cut: later prompts are smaller."""
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
        """Learn from an answered prompt: we counted `tokens`, the engine reported `counted`."""
        if not self._estimated:
            self.margin = max(self.margin, counted - tokens)
            return
        expected = 1.0 if counted == tokens else max(1.0, counted / tokens * DRIFT)
        self.ratio = max(self.ratio, expected) if self._reported else expected
        self._reported = True


@dataclass(frozen=True, slots=True)
class Budget:
    """How the tokens of one speaker's prompts are divided."""

    prompt: int
    """Most tokens of a prompt: `max_model_len - max_new_tokens`, less the engine's margin over our count."""
    base: int
    """Tokens of every prompt: system message, template, and room for a direction."""
    note_tokens: int = 0
    """The configured length of a note, in tokens; 0 if the policy writes none."""
    low_water: float = 0.6
    """Share of the prompt budget to which a full view shrinks."""

    @property
    def note_bound(self) -> int:
        """Most tokens of a note: the configured length, but at most an eighth of the prompt budget."""
        return max(0, min(self.note_tokens, int(self.prompt * NOTE_SHARE)))

    @property
    def fixed(self) -> int:
        """Tokens that are not available for the dialogue."""
        return self.base + self.note_bound

    @property
    def room(self) -> int:
        """Tokens left for the dialogue."""
        return self.prompt - self.fixed

    @property
    def missing(self) -> int:
        """Tokens by which the window is too small for any dialogue; 0 if it is large enough."""
        return max(0, MIN_ROOM - self.room)

    @property
    def message_cap(self) -> int:
        return int(self.room * MESSAGE_SHARE)

    @property
    def pin_cap(self) -> int:
        return int(self.room * PIN_SHARE)

    @property
    def target(self) -> int:
        """Tokens of a view after compaction. If the fixed part is large, the dialogue still gets a quarter of the room."""
        return max(int(self.prompt * self.low_water), self.fixed + self.room // 4)
