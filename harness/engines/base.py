"""The protocol that every engine implements.

Invariants:
- An engine answers a `Request` with a `Generation` or raises an `EngineError`; it never puts an error in text.
- An engine takes prompts unchanged. It never truncates: what was counted is what is sent.
- `generate` may be called from any number of tasks at once; only the model limits them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel

from harness.config.plugins import ENGINES
from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.events import Listener, ignore
from harness.types import Generation, Request


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a started engine reports about itself; recorded in run.json."""

    kind: str
    model: str
    max_model_len: int
    """The engine's window in tokens."""
    kv_cache_tokens: int | None = None
    """Size of its cache in tokens, for all sessions; None if it has no shared cache or does not report it."""
    cache_block_tokens: int | None = None
    """Block size of the prefix cache in tokens; None if there is no such cache."""
    counts_as_we_do: bool = True
    """False for a server that gets messages: it applies its own template, so its token counts may differ from ours."""
    cache_ranks: int = 1
    """Number of caches, of `kv_cache_tokens` each; a session stays in one of them (data parallelism)."""
    details: tuple[tuple[str, str], ...] = ()
    """Versions and build flags, as (name, value)."""


class Engine(Protocol):
    """Turns prompts into text. Use as `info = await engine.start()` ... `await engine.close()`."""

    async def start(self) -> EngineInfo:
        """Load the model, or connect to its server. Raises `EngineError` with the remedy."""
        ...

    async def generate(self, request: Request) -> Generation:
        """Answer one prompt.

        Raises `PromptRefused` (too long by the engine's own count), `RequestRejected` (will never be answered),
        `EngineUnavailable` (gone for all sessions) or `EngineError` (this request failed after its retries).
        """
        ...

    async def close(self) -> None:
        """Free everything, child processes included; may be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """What an engine is made from."""

    engine: EngineConfig
    model: ModelConfig
    options: BaseModel | None = None
    """`engine.options`, validated against the settings model that the engine was registered with."""
    sessions: int | None = None
    """Most sessions in flight; None if not known."""
    adapters: tuple[Path, ...] = ()
    """LoRA folders that its requests will name."""
    log: Path | None = None
    """File for the engine's own messages."""
    listener: Listener = ignore
    """Called with a notice of what happens while requests wait."""


@dataclass(frozen=True, slots=True)
class EngineType:
    """A registered engine: how to make it, and what it can do."""

    name: str
    make: Callable[[EngineSetup], Engine]
    uses: frozenset[str]
    """The keys of `OWN_KEYS` that it uses."""
    adapters: bool
    """Whether it serves LoRA adapters."""
    settings: type[BaseModel] | None
    """The model for `engine.options`; None if it has no options."""


OWN_KEYS = frozenset({"args", "base_url", "model", "api_key_env", "extra_body", "latency_s"})
"""Keys of `engine` that an engine uses only if it declares them."""
M = TypeVar("M", bound=Callable[[EngineSetup], Engine])


def engine(
    name: str, *, uses: Collection[str] = (), adapters: bool = False, settings: type[BaseModel] | None = None
) -> Callable[[M], M]:
    """Register a class (or a function) that makes an `Engine` from an `EngineSetup`: `engine=NAME` chooses it.

    `uses` are the keys of `OWN_KEYS` that it uses; `settings` is a pydantic model for `engine.options`, with its defaults.
    """

    def register(make: M) -> M:
        ENGINES.add(name, EngineType(name, make, frozenset(uses), adapters, settings), make)
        return make

    return register
