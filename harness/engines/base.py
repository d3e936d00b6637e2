"""The one protocol behind which every engine stands.

Invariants:
- An engine answers a `Request` with a `Generation` or raises an `EngineError`; it never puts an error in text.
- An engine takes prompts as they are. It never truncates: what was counted is what is sent.
- `generate` may be called from any number of tasks at once; what limits them is the model.
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
    cache_ranks: int = 1
    """In how many parts of `kv_cache_tokens` each the cache comes: a session stays in one (data parallelism)."""
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


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """What an engine is made from."""

    engine: EngineConfig
    model: ModelConfig
    options: BaseModel | None = None
    """`engine.options`, checked by the settings that the engine was registered with."""
    sessions: int | None = None
    """How many sessions will be in flight at most, where that is known."""
    adapters: tuple[Path, ...] = ()
    """LoRA folders that its requests will name."""
    log: Path | None = None
    """Takes the engine's own messages."""
    listener: Listener = ignore
    """Told what happens while requests wait."""


@dataclass(frozen=True, slots=True)
class EngineType:
    """A registered engine: how to make it, and what it can do."""

    name: str
    make: Callable[[EngineSetup], Engine]
    uses: frozenset[str]
    """Keys of `engine` that mean something to it, of those that not every engine has."""
    adapters: bool
    """Whether it serves LoRA adapters."""
    settings: type[BaseModel] | None
    """What `engine.options` must be."""


OWN_KEYS = frozenset({"args", "base_url", "model", "api_key_env", "extra_body", "latency_s"})
"""Keys of `engine` that only the engines use that say so."""
M = TypeVar("M", bound=Callable[[EngineSetup], Engine])


def engine(
    name: str, *, uses: Collection[str] = (), adapters: bool = False, settings: type[BaseModel] | None = None
) -> Callable[[M], M]:
    """Register a class (or a function) that makes an `Engine` of an `EngineSetup`: `engine=NAME` chooses it.

    `uses` are keys of `engine` out of `OWN_KEYS`; `settings` is a pydantic model for `engine.options`, with its defaults.
    """

    def register(make: M) -> M:
        ENGINES.add(name, EngineType(name, make, frozenset(uses), adapters, settings), make)
        return make

    return register
