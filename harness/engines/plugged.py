"""An engine of a plug-in, with its mistakes told as its own.

Invariants:
- What a plug-in's engine raises, or returns instead of what the protocol says, is a `HarnessError` that names it.
- An engine that can't be closed costs no run, since all sessions have ended by then.
"""

import logging
from numbers import Real

from harness.config.plugins import blamed, named
from harness.engines.base import Engine, EngineInfo, EngineSetup, EngineType
from harness.errors import ConfigError, EngineError, first_line
from harness.types import Generation, Request

log = logging.getLogger(__name__)


class PluggedEngine:
    """Calls the engine of a plug-in."""

    def __init__(self, kind: EngineType, setup: EngineSetup) -> None:
        """Make the engine. Raises `ConfigError`."""
        self._named = named("engine", kind.name, kind.make)
        with blamed(self._named, ConfigError):
            self._engine: Engine = kind.make(setup)
        missing = [name for name in ("start", "generate", "close") if not callable(getattr(self._engine, name, None))]
        if missing:
            raise ConfigError(f"{self._named}: no method {', '.join(missing)}; expected start, generate and close")

    async def start(self) -> EngineInfo:
        with blamed(self._named, EngineError):
            info = await self._engine.start()
            if not isinstance(info, EngineInfo):
                raise TypeError(f"start: expected an EngineInfo, found {type(info).__name__} {info!r:.40}")
        return info

    async def generate(self, request: Request) -> Generation:
        with blamed(self._named, EngineError):
            answer = await self._engine.generate(request)
            if not isinstance(answer, Generation):
                raise TypeError(f"generate: expected a Generation, found {type(answer).__name__} {answer!r:.40}")
            if not isinstance(answer.text, str):
                raise TypeError(f"generate: text: expected str, found {type(answer.text).__name__}")
            for name in ("prompt_tokens", "completion_tokens"):
                if not isinstance(value := getattr(answer, name), Real):
                    raise TypeError(f"generate: {name}: expected a number, found {type(value).__name__}")
            answer.text.encode()  # half of a surrogate pair can't be written
        return answer

    async def close(self) -> None:
        try:
            await self._engine.close()
        except Exception as error:
            log.warning("%s: close: %s: %s", self._named, type(error).__name__, first_line(error))
