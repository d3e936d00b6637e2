"""What a judge is shown before a question: a window of a transcript, or quotes from the whole transcript."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import cached_property

from harness.context.render.incremental import Rendering
from harness.judges.evidence import Shown
from harness.judges.prompt import RULE
from harness.judges.subject import Said


class Body:
    """The text and the turns that it contains."""

    def __init__(self, text: str, turns: Sequence[Said]) -> None:
        self.text = text
        self.turns = tuple(turns)
        self.warm = asyncio.Lock()
        """Held by the first request: the others wait, and find its prefix in the engine's cache."""
        self.asked = False
        self.rendering: Rendering | None = None
        """The rendered part before the question."""
        self.rule = RULE
        """The line below the text."""

    @cached_property
    def shown(self) -> Shown:
        return Shown(self.turns)

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode(errors="replace")).hexdigest()

    @property
    def window(self) -> tuple[int, int]:
        return self.turns[0].index, self.turns[-1].index
