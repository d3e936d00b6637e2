"""Restarts an engine whose process died; all requests wait, and those in flight are sent again.

Invariants:
- There is at most one restart at a time, and at most `max_restarts` in all.
- A request that was in flight when the engine died is a suspect. Suspects are sent again a few at a time (one by
  one, up to 63 of them), so that a second death shows which request caused it.
- A request in flight at two deaths fails, for its own session only.
"""

import asyncio
import contextlib
import time
from dataclasses import replace

from harness.engines.base import Engine, EngineInfo
from harness.engines.events import Listener, Restarted, ignore
from harness.errors import EngineError, EngineUnavailable
from harness.types import Generation, Request, Retry

_LANES = 32
"""Suspects are sent again in about this many groups; this bounds the time for a thousand of them."""


class Supervisor:
    """Wraps an engine and restarts it when its process dies."""

    def __init__(self, engine: Engine, *, name: str, max_restarts: int, listener: Listener = ignore) -> None:
        self._engine, self._name, self._max, self._listener = engine, name, max_restarts, listener
        self._life = 0
        self._used = 0
        self._suspects = 0
        self._lane = asyncio.Semaphore(1)
        self._up = asyncio.Event()
        self._gone: str | None = None
        self._restarter: asyncio.Task[None] | None = None

    async def start(self) -> EngineInfo:
        """Start the engine; a first start that fails is an error, not a death."""
        info = await self._engine.start()
        self._gone = None
        self._up.set()
        return info

    async def generate(self, request: Request) -> Generation:
        """Answer one prompt; if the engine dies meanwhile, once more after its restart.

        Raises `EngineError` if the request was in flight at two deaths, `EngineUnavailable` if all restarts are used.
        """
        try:
            return await self._ask(request)
        except _Died as first:
            error: _Died = first
        self._suspects += 1
        died = time.monotonic()
        try:
            generation, asked = await self._ask_suspect(request)
            return replace(generation, retries=(Retry(error.reason, asked - died), *generation.retries))
        except _Died as second:
            raise EngineError(
                f"{request.request_id} was in flight both times the engine of {self._name} died, "
                f"so it is not asked again ({error.reason}; {second.reason})"
            ) from second
        finally:
            self._suspects -= 1

    async def close(self) -> None:
        """Cancel a restart in progress, and close the engine."""
        self._give_up("the engine was closed")
        task, self._restarter = self._restarter, None
        if task is not None and not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._engine.close()

    async def _ask(self, request: Request) -> Generation:
        life = await self._alive()
        try:
            return await self._engine.generate(request)
        except EngineUnavailable as error:
            self._died(life, str(error))
            raise _Died(str(error)) from error

    async def _ask_suspect(self, request: Request) -> tuple[Generation, float]:
        """The answer, and the time when it was requested (monotonic seconds)."""
        while True:
            await self._alive()
            lane = self._lane
            async with lane:
                if lane is self._lane and self._up.is_set():
                    asked = time.monotonic()
                    return await self._ask(request), asked

    async def _alive(self) -> int:
        """Wait until the engine is up; returns the number of successful restarts so far. Raises `EngineUnavailable`."""
        await self._up.wait()
        if self._gone is not None:
            raise EngineUnavailable(self._gone)
        return self._life

    def _died(self, life: int, reason: str) -> None:
        if life != self._life or not self._up.is_set() or self._gone is not None:
            return  # already noticed
        self._up.clear()
        self._restarter = asyncio.create_task(self._restart(reason))

    async def _restart(self, reason: str) -> None:
        try:
            while self._used < self._max:
                self._used += 1
                self._listener(Restarted(self._name, reason, self._used, self._max))
                await self._engine.close()
                try:
                    await self._engine.start()
                except EngineError as error:
                    reason = str(error)
                    continue
                self._life += 1
                self._lane = asyncio.Semaphore(max(1, self._suspects // _LANES))
                self._up.set()
                return
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        self._give_up(f"the engine of {self._name} died and {self._used} of {self._max} restarts are used ({reason})")

    def _give_up(self, reason: str) -> None:
        self._gone = reason
        self._up.set()


class _Died(Exception):
    """The engine died while a request was in flight."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
