"""One gate for all requests to a server: shut while the server is away, open when it answers again.

Invariant: at most one task probes; all requests wait for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from harness.engines.events import Listener, Paused, Resumed
from harness.errors import EngineUnavailable

_FIRST_PROBE_S, _LONGEST_PROBE_S = 1.0, 30.0


class Gate:
    """`probe` returns whether the server answers; after `outage_s` seconds without an answer all waiting requests fail."""

    def __init__(self, name: str, probe: Callable[[], Awaitable[bool]], outage_s: float, listener: Listener) -> None:
        self._name, self._probe, self._outage_s, self._listener = name, probe, outage_s, listener
        self._watch: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Wait while the gate is shut. Raises `EngineUnavailable` if the server stays away."""
        if self._watch is not None:
            await asyncio.shield(self._watch)

    def shut(self, reason: str) -> None:
        """Shut the gate, since the server can't be reached, and probe until it answers."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._wait_for_return(reason))

    async def close(self) -> None:
        """Stop probing."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    async def _wait_for_return(self, reason: str) -> None:
        began = time.monotonic()
        wait_s, probes = _FIRST_PROBE_S, 0
        while (left := began + self._outage_s - time.monotonic()) > 0:
            wait_s = min(wait_s, left)
            self._listener(Paused(self._name, reason, wait_s, left, probes))
            await asyncio.sleep(wait_s)
            if await self._probe():
                self._watch = None
                self._listener(Resumed(self._name, time.monotonic() - began))
                return
            wait_s, probes = min(_LONGEST_PROBE_S, wait_s * 1.5), probes + 1
        raise EngineUnavailable(f"{self._name} did not come back within {self._outage_s:g} s ({reason})")
