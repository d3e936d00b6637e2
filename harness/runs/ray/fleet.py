"""The replicas of a cluster as one executor: distributes sessions from one queue, and moves those of lost replicas.

Invariants:
- The journal records which shard a session is handed to before the replica gets the session.
- A lost replica stays lost: only what its shards held when they were closed counts. So a session that moves is never
  played twice, even if the replica is still running behind a broken network.
- run.json, journal.jsonl, sessions.jsonl and failures.jsonl are written here only.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.engines.completion import completed
from harness.engines.events import Listener
from harness.errors import EngineError, EngineUnavailable, HarnessError, StorageError, first_line
from harness.runs.engines import announce, in_flight
from harness.runs.prepare import CheckedRun, OpenRun
from harness.runs.ray.cluster import Layout, connected, lay_out, nodes
from harness.runs.ray.replica import Opened, Place, Refused, Replica
from harness.runs.reporter import Reporter
from harness.runs.threads import whole
from harness.runs.workers import SessionRunner
from harness.sessions.course import following
from harness.sessions.loop import Session
from harness.sessions.observer import Observer
from harness.store.resume import Progress, load_progress
from harness.store.shard import End, Finished
from harness.types import Failure, SessionResult

PULSE_S = 0.5
"""Seconds between requests to the replicas for their progress, for the display."""
STOP_S = 60.0
"""Seconds that a replica may take to stop in order."""
_TASKS = 100_000
"""Most calls of one replica at once; high, since its engines are the real limit."""


@dataclass(slots=True, eq=False)
class _Member:
    """The driver's state of a replica."""

    number: int
    node: str
    """Address of its node."""
    actor: Any
    limit: int = 0
    shards: dict[Path, str] = field(default_factory=dict)
    """The replica's shards by run folder."""
    playing: dict[Path, set[str]] = field(default_factory=dict)
    """Sessions that it was handed and that have not ended, by run folder."""
    lost: str | None = None
    """Why it is lost; None if it is not."""
    recovered: "dict[Path, asyncio.Task[_Recovered]]" = field(default_factory=dict)
    leaving: "asyncio.Task[None] | None" = None

    @property
    def name(self) -> str:
        return f"replica {self.number} on {self.node}"


@dataclass(frozen=True, slots=True)
class _Recovered:
    """The state of a lost replica's sessions, as its shard has it."""

    progress: Progress
    ends: Mapping[str, End]


class RayExecutor:
    """Plays sessions on replicas in a Ray cluster."""

    def __init__(self, runs: Sequence[CheckedRun], reporter: Reporter, log_dir: Path, listener: Listener) -> None:
        self._runs = runs
        self._reporter = reporter
        self._log_dir = log_dir
        self._listener = listener
        self._config = runs[0].spec.config.executor
        self._stack = ExitStack()
        self._members: list[_Member] = []
        self._slots: asyncio.Queue[_Member] = asyncio.Queue()
        self._why = ""
        self._pulse: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        try:
            self._stack.enter_context(connected(self._config.address))
            roles = [role for run in self._runs for role in run.spec.roles.values()]
            layout = lay_out(self._config, roles, nodes())
            plugins = tuple(dict.fromkeys(name for run in self._runs for name in run.spec.config.plugins))
            self._reporter.say(f"ray: {layout}{self._fewer(layout)}")
            for number, node in enumerate(layout.nodes):
                logs, sessions = (
                    self._log_dir.absolute() / f"replica-{number}",
                    in_flight([run.spec for run in self._runs]),
                )
                place = Place(Path.cwd(), logs, layout.threads(number), sessions, plugins)
                actor = ray.remote(Replica).options(
                    num_gpus=layout.gpus,
                    num_cpus=1 if layout.gpus else 0,
                    max_concurrency=_TASKS,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
                )
                self._members.append(_Member(number, node.address, actor.remote(place, roles)))
        except BaseException:
            self._stack.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await completed(self._stop())  # or turns are missing on disk

    async def runner(self, run: CheckedRun, open_run: OpenRun, observer: Observer) -> SessionRunner | HarnessError:
        if run is self._runs[0]:
            announce(run.spec, self._reporter)
        folder = open_run.folder.path.absolute()
        first = open_run.folder.first_shard()
        live = self._live()
        answers = await asyncio.gather(
            *(self._opened(member, folder, f"replica-{first + member.number}") for member in live)
        )
        refused = next((answer for answer in answers if isinstance(answer, Refused)), None)
        if refused is not None:
            return refused.error
        opened = next(answer for answer in answers if isinstance(answer, Opened))
        await whole(partial(open_run.folder.update, engines=opened.engines))
        for member, answer in zip(live, answers, strict=True):
            if isinstance(answer, Opened):
                open_run.folder.open_shard(member.shards[folder], answer.pid)
        return _Part(self, open_run, folder, observer)

    def concurrency(self) -> tuple[int, str]:
        members = self._live()
        for index in range(max(member.limit for member in members)):
            for member in members:
                if index < member.limit:
                    self._slots.put_nowait(member)
        self._pulse = asyncio.create_task(self._listen())
        return sum(member.limit for member in members), f"{members[0].limit} on each replica, {self._why}"

    async def play(self, part: "_Part", session: Session) -> End:
        """Play a session to its end; if a replica is lost, on the next one.

        Raises `StorageError`, and `EngineUnavailable` once no replica is left.
        """
        while True:
            member = await self._slots.get()
            if member.lost is not None:
                continue
            part.log.hand_out(session.spec.session_id, member.shards[part.folder])
            await part.log.committed()
            if member.lost is not None:
                continue
            end = await self._played(member, part, session)
            if member.lost is None:
                self._slots.put_nowait(member)
            if not isinstance(end, Session):
                return end
            session = end

    async def _played(self, member: _Member, part: "_Part", session: Session) -> End | Session:
        """The end of a session on a replica; or the session to continue with, if the replica is lost."""
        from ray.exceptions import RayError

        session_id = session.spec.session_id
        playing = member.playing.setdefault(part.folder, set())
        playing.add(session_id)
        try:
            answer = await member.actor.play.remote(part.folder, session)
        except RayError as error:
            answer = EngineUnavailable(first_line(error))
        if isinstance(answer, EngineUnavailable):
            await self._lose(member, answer)
            return await self._recover(member, part, session)
        playing.discard(session_id)
        if isinstance(answer, HarnessError):
            raise answer
        end: End = answer
        return end

    async def _opened(self, member: _Member, folder: Path, shard: str) -> Opened | Refused | None:
        """A replica's answer; None if it is lost. Raises the error that keeps it from starting."""
        from ray.exceptions import RayError

        member.shards[folder] = shard
        try:
            answer = await member.actor.open.remote(folder, shard)
            if not isinstance(answer, HarnessError) and not member.limit:
                member.limit, self._why = await member.actor.limit.remote()
        except RayError as error:
            if not member.limit:
                raise EngineError(f"{member.name} died while it started: {first_line(error)}") from error
            await self._lose(member, EngineUnavailable(first_line(error)))
            return None
        if isinstance(answer, HarnessError):
            raise answer
        opened: Opened | Refused = answer
        return opened

    async def _lose(self, member: _Member, reason: EngineUnavailable) -> None:
        """Mark a replica as lost. Raises `EngineUnavailable` if it was the last one."""
        import ray

        if member.lost is None:
            member.lost = str(reason)
            member.leaving = asyncio.create_task(self._leave(member))
            moving = sum(map(len, member.playing.values()))
            self._reporter.say(f"{member.name} is lost: {reason}; its {moving} sessions go on elsewhere")
        assert member.leaving is not None
        await asyncio.shield(member.leaving)
        ray.kill(member.actor)
        if not self._live():
            raise EngineUnavailable(f"executor=ray: no replica is left; the last one: {member.lost}")

    async def _leave(self, member: _Member) -> None:
        """Let a replica whose engine is gone bring its turns to disk; a dead one fails at once."""
        from ray.exceptions import RayError

        with suppress(RayError, TimeoutError):
            async with asyncio.timeout(STOP_S):
                await member.actor.stop.remote()

    async def _recover(self, member: _Member, part: "_Part", session: Session) -> End | Session:
        """The end of a session of a lost replica, or the session to continue with. Raises `StorageError`."""
        if part.folder not in member.recovered:
            member.recovered[part.folder] = asyncio.create_task(self._read_back(member, part))
        recovered = await asyncio.shield(member.recovered[part.folder])
        session_id = session.spec.session_id
        if end := recovered.ends.get(session_id):
            return end
        past = recovered.progress.in_progress.get(session_id)
        return past.resumed(session) if past else session

    async def _read_back(self, member: _Member, part: "_Part") -> _Recovered:
        part.log.close_shard(member.shards[part.folder])
        await part.log.committed()
        sessions = frozenset(member.playing[part.folder])
        ends: dict[str, End] = {}

        def finished(result: SessionResult, metrics: Mapping[str, Any]) -> None:
            ends[result.spec.session_id] = Finished(result, metrics)

        progress = await asyncio.to_thread(partial(load_progress, part.folder, finished, only=sessions))
        progress.resume()
        ends |= {name: past.failure for name, past in progress.failed.items() if past.failure is not None}
        return _Recovered(progress, ends)

    def _fewer(self, layout: Layout) -> str:
        asked = self._config.replicas
        return f" (the cluster has no room for {asked})" if asked not in ("auto", len(layout.nodes)) else ""

    def over(self, open_run: OpenRun) -> None:
        folder = open_run.folder.path.absolute()
        for member in self._live():
            if member.shards.pop(folder, None):
                member.actor.close.remote(folder)

    def _live(self) -> list[_Member]:
        return [member for member in self._members if member.lost is None]

    async def _listen(self) -> None:
        """Show how far the replicas are."""
        from ray.exceptions import RayError

        while True:
            for member in self._live():
                with suppress(RayError):  # whoever plays on it learns that it is lost
                    pulse = await member.actor.pulse.remote()
                    self._reporter.count(pulse.turns, pulse.tokens)
                    for notice in pulse.notices:
                        self._listener(notice)
            await asyncio.sleep(PULSE_S)

    async def _stop(self) -> None:
        """Stop all replicas in order and leave the cluster. Raises `StorageError` where one could not write."""
        import ray
        from ray.exceptions import RayError

        if self._pulse is not None:
            self._pulse.cancel()

        async def stop(member: _Member) -> HarnessError | None:
            with suppress(RayError, TimeoutError):
                async with asyncio.timeout(STOP_S):
                    error: HarnessError | None = await member.actor.stop.remote()
                    return error
            return None

        try:
            errors = await asyncio.gather(*(stop(member) for member in self._live()))
            for member in self._members:
                ray.kill(member.actor)
        finally:
            self._stack.close()
        for error in errors:
            if isinstance(error, StorageError):
                raise error


class _Part:
    """The stage of a run in a cluster."""

    def __init__(self, fleet: RayExecutor, open_run: OpenRun, folder: Path, observer: Observer) -> None:
        self._fleet = fleet
        self.log = open_run.folder
        self.folder = folder
        self._observer = observer

    async def play(self, session: Session) -> Session | None:
        """Play a session somewhere and keep its end; the one that follows. Raises as `RayExecutor.play`."""
        end = await self._fleet.play(self, session)
        self.log.take_back(end)
        if isinstance(end, Failure):
            self._observer.failed(end)
            return None
        self._observer.finished(end.result)
        return following(session, end.result.events)

    def failed(self, failure: Failure) -> None:
        """Keep a failure that happened here and not in a replica."""
        self.log.fail_session(failure)
        self._observer.failed(failure)
