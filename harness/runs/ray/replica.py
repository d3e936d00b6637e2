"""A replica: has engines of its own in a cluster, and plays the sessions that it is handed.

It runs as a Ray actor but does not use Ray. Its methods return a `HarnessError` instead of raising it, since Ray wraps
exceptions from other machines.

Invariants:
- A session's end is reported only after it is in the shard on disk.
- A replica writes only its shards and the engines' logs.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.agents.base import Utterance
from harness.config.plugins import load_plugins
from harness.config.recorded import read_config
from harness.config.schema import RoleConfig
from harness.engines.base import EngineInfo
from harness.engines.events import Notice
from harness.engines.pool import EnginePool
from harness.errors import EngineUnavailable, HarnessError
from harness.runs.engines import concurrency, make_factory, start_engines
from harness.runs.prepare import RunSpec, recorded_spec
from harness.runs.resources import SharedResources
from harness.runs.workers import few_collections, isolated
from harness.sessions.loop import Session
from harness.sessions.runner import JournalingRunner
from harness.store.records import read_record
from harness.store.shard import End, Shard
from harness.types import Failure, SessionResult, SessionSpec


@dataclass(frozen=True, slots=True)
class Place:
    """The working environment of a replica, which must be the driver's: the same paths must lead to the same files."""

    folder: Path
    log_dir: Path
    threads: int
    """Threads for the numeric libraries, unless OMP_NUM_THREADS is set."""
    sessions: int | None = None
    """Most sessions in flight; None if not known."""
    plugins: tuple[str, ...] = ()
    """The modules of the plug-ins of its runs."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A run that a replica can play."""

    engines: dict[str, EngineInfo]
    """What the engine of each role reports about itself."""
    pid: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A run that can't be played, though the engines are up."""

    error: HarnessError


@dataclass(frozen=True, slots=True)
class Pulse:
    """What happened since the last pulse."""

    turns: int
    tokens: int
    notices: tuple[Notice, ...]


class Replica:
    """One replica; `roles` are all that its runs will need."""

    def __init__(self, place: Place, roles: Sequence[RoleConfig]) -> None:
        os.chdir(place.folder)
        if os.environ.get("OMP_NUM_THREADS") in (None, "1"):  # Ray sets 1 for actors without CPUs of their own
            os.environ["OMP_NUM_THREADS"] = str(place.threads)
        load_plugins(place.plugins)
        self._pool = EnginePool(roles, sessions=place.sessions, log_dir=place.log_dir, listener=self._noticed)
        self._resources = SharedResources()
        self._specs: list[RunSpec] = []
        self._runs: dict[Path, tuple[JournalingRunner, Shard]] = {}
        self._playing: set[asyncio.Task[object]] = set()
        self._turns = self._tokens = 0
        self._notices: list[Notice] = []
        self._collections = ExitStack()

    async def open(self, folder: Path, shard: str) -> Opened | Refused | HarnessError:
        """Prepare for the sessions of a run: its config, its engines, its shard."""
        try:
            spec = await asyncio.to_thread(lambda: self._spec(folder))
            engines, infos = await start_engines(spec, self._pool)
            self._specs.append(spec)
            try:
                factory = make_factory(spec, engines, infos)
            except HarnessError as error:
                return Refused(error)
            log = await asyncio.to_thread(Shard, folder, shard)
        except HarnessError as error:
            return error
        self._runs[folder] = (JournalingRunner(spec.config, spec.personas, factory, log, self), log)
        self._collections.enter_context(few_collections())
        return Opened(infos, os.getpid())

    def _spec(self, folder: Path) -> RunSpec:
        record = read_record(folder)
        return recorded_spec(record, read_config(record.config, folder)[0], self._resources)

    async def limit(self) -> tuple[int, str]:
        """Most sessions in flight, and the reason as text."""
        return concurrency(self._specs, self._pool)

    async def play(self, folder: Path, session: Session) -> End | HarnessError:
        """Play a session to its end."""
        run, log = self._runs[folder]
        task = asyncio.current_task()
        assert task is not None
        self._playing.add(task)
        try:
            await isolated(run, session)
            return await log.taken(session.spec.session_id)
        except HarnessError as error:
            return error
        except asyncio.CancelledError:
            return EngineUnavailable("the replica was stopped")
        finally:
            self._playing.discard(task)

    async def close(self, folder: Path) -> None:
        """Close a run whose sessions have ended; may be called twice."""
        known = self._runs.pop(folder, None)
        if known is not None:
            await asyncio.to_thread(known[1].close)

    async def pulse(self) -> Pulse:
        """What happened since the last call."""
        pulse = Pulse(self._turns, self._tokens, tuple(self._notices))
        self._turns = self._tokens = 0
        self._notices.clear()
        return pulse

    async def stop(self) -> HarnessError | None:
        """Discard the turns in flight, bring all others to disk, and close the engines."""
        playing = set(self._playing)
        for task in playing:
            task.cancel()
        if playing:
            await asyncio.wait(playing)
        try:
            for folder in list(self._runs):
                await self.close(folder)
        except HarnessError as error:
            return error
        finally:
            self._collections.close()
            await self._pool.__aexit__(None, None, None)
        return None

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        self._turns += 1
        self._tokens += utterance.turn.completion_tokens

    def finished(self, result: SessionResult) -> None:
        """Does nothing: the driver reports it."""

    def failed(self, failure: Failure) -> None:
        """Does nothing: the driver reports it."""

    def _noticed(self, notice: Notice) -> None:
        self._notices.append(notice)
