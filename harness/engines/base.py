"""The one protocol behind which every engine stands.

Invariants:
- An engine answers a `Request` with a `Generation` or raises an `EngineError`; it never puts an error in text.
- An engine takes prompts as they are. It never truncates: what was counted is what is sent.
- `generate` may be called from any number of tasks at once; what limits them is the model.
"""

from dataclasses import dataclass
from typing import Protocol

from harness.types import Generation, Request


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a started engine says about itself; goes to run.json."""

    kind: str
    model: str
    max_model_len: int
    """The engine's window in tokens."""
    kv_cache_tokens: int | None = None
    """How many tokens of all sessions its cache holds; None where it has no shared cache or doesn't say."""
    cache_block_tokens: int | None = None
    """Granularity of the prefix cache in tokens; None without one."""
    counts_as_we_do: bool = True
    """False for a server that gets messages: what it makes of them, and counts, may differ from our own count."""
    details: tuple[tuple[str, str], ...] = ()
    """Versions and build flags worth recording, as (name, value)."""


class Engine(Protocol):
    """What turns prompts into text. Use as `info = await engine.start()` ... `await engine.close()`."""

    async def start(self) -> EngineInfo:
        """Load or reach the model. Raises `EngineError` with the remedy."""
        ...

    async def generate(self, request: Request) -> Generation:
        """Answer one prompt.

        Raises `PromptRefused` (too long by the engine's own count), `RequestRejected` (never will answer),
        `EngineUnavailable` (gone for everyone), `EngineError` (this request failed after its retries).
        """
        ...

    async def close(self) -> None:
        """Free everything, child processes included; may be called twice."""
        ...
