"""Where the sessions of a batch are played: what a batch needs of that place, and the one in this process.

Invariants:
- A run that is refused leaves the engines up for the others; what stops an engine stops the batch.
- Which executor plays a session does not change what is said in it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from harness.cli.reporter import TerminalReporter
from harness.engines.base import Engine, EngineInfo
from harness.engines.concurrency import auto_concurrency
from harness.engines.events import Listener
from harness.engines.pool import EnginePool, engine_key
from harness.errors import ConfigError, HarnessError
from harness.runs.prepare import CheckedRun, OpenRun, RunSpec
from harness.runs.workers import SessionRunner
from harness.sessions.factory import AgentFactory, check_fits
from harness.sessions.runner import JournalingRunner
from harness.types import Speaker

T = TypeVar("T")


class Executor(Protocol):
    """Plays sessions of runs that need the same engines. Use as an async context manager; leaving it stops them."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def runner(self, run: CheckedRun, open_run: OpenRun) -> SessionRunner | HarnessError:
        """Where the sessions of a run are played, its engines started; or what refuses this run and no other.

        Raises a `HarnessError` for what concerns all runs.
        """
        ...

    def concurrency(self) -> tuple[int, str]:
        """Most sessions in flight, and why; known once a run got its stage or was refused one."""
        ...

    def over(self, open_run: OpenRun) -> None:
        """The last session of a run is over."""
        ...


def make_executor(
    runs: Sequence[CheckedRun], reporter: TerminalReporter, log_dir: Path, listener: Listener
) -> Executor:
    """The executor that the configs of `runs`, which agree in it, ask for.

    `log_dir` takes what the engines say, `listener` what they report while they wait.
    """
    if runs[0].spec.config.executor.kind == "ray":
        from harness.runs.ray.fleet import RayExecutor

        return RayExecutor(runs, reporter, log_dir, listener)
    return LocalExecutor(runs, reporter, log_dir, listener)


class LocalExecutor:
    """Plays all sessions in this process."""

    def __init__(
        self, runs: Sequence[CheckedRun], reporter: TerminalReporter, log_dir: Path, listener: Listener
    ) -> None:
        self._runs = runs
        self._reporter = reporter
        roles = [role for run in runs for role in run.spec.roles.values()]
        self._pool = EnginePool(roles, log_dir=log_dir, listener=listener)

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)

    async def runner(self, run: CheckedRun, open_run: OpenRun) -> SessionRunner | HarnessError:
        if run is self._runs[0]:
            announce(run.spec, self._reporter)
        engines, infos = await start_engines(open_run.spec, self._pool)
        try:
            factory = make_factory(open_run.spec, engines, infos)
        except HarnessError as error:
            return error
        await whole(partial(open_run.folder.update, engines=infos))
        return JournalingRunner(open_run.spec.config, open_run.spec.personas, factory, open_run.folder, self._reporter)

    def concurrency(self) -> tuple[int, str]:
        return concurrency([run.spec for run in self._runs], self._pool)

    def over(self, open_run: OpenRun) -> None:
        """Nothing of a run is kept here."""


def announce(spec: RunSpec, reporter: TerminalReporter) -> None:
    """Say which engines are about to be started."""
    for speaker in spec.roles:
        reporter.starting(speaker, dict(spec.config.roles())[speaker])


async def start_engines(spec: RunSpec, pool: EnginePool) -> tuple[dict[Speaker, Engine], dict[str, EngineInfo]]:
    """Start or share the engines of a run and learn their windows. Raises `EngineError`, `ConfigError`."""
    engines: dict[Speaker, Engine] = {}
    infos: dict[str, EngineInfo] = {}
    for speaker, role in spec.roles.items():
        engines[speaker] = await pool.acquire(role)
        infos[str(speaker)] = info = pool.info(role)
        window = spec.role_contexts[speaker].window
        window.max_model_len = min(window.max_model_len, info.max_model_len)
    return engines, infos


def make_factory(spec: RunSpec, engines: Mapping[Speaker, Engine], infos: Mapping[str, EngineInfo]) -> AgentFactory:
    """The agents of a run on started engines. Raises a `HarnessError` where prompts can't fit their windows."""
    check_fits(spec.config, spec.personas, spec.role_contexts)
    _estimate(spec, infos)
    return AgentFactory(spec.config, spec.role_contexts, engines, spec.lines)


def _estimate(spec: RunSpec, infos: Mapping[str, EngineInfo]) -> None:
    """Be careful with servers that may count otherwise, as far as their windows leave room for that."""
    windows = [
        role_context.window
        for speaker, role_context in spec.role_contexts.items()
        if not infos[str(speaker)].counts_as_we_do
    ]
    for window in windows:
        window.estimate()
    try:
        check_fits(spec.config, spec.personas, spec.role_contexts)
    except ConfigError:
        for window in windows:
            window.estimate(1.0)


def concurrency(specs: Sequence[RunSpec], pool: EnginePool) -> tuple[int, str]:
    """How many sessions are in flight, and why: what the configs ask for, or what the tightest engine holds."""
    asked = [spec.config.concurrency for spec in specs]
    numbers = [number for number in asked if number != "auto"]
    if numbers:
        return max(numbers), "as configured"
    return min(
        auto_concurrency(pool.info(role), _session_tokens(spec, engine_key(role)), role.engine.max_batch)
        for spec in specs
        for role in spec.roles.values()
    )


def _session_tokens(spec: RunSpec, engine: str) -> int:
    """Most tokens that a session keeps in an engine's cache: the views of the speakers that it serves."""
    config, persona = spec.config, spec.personas[0]
    said = config.max_exchanges * (config.patient.max_new_tokens + config.therapist.max_new_tokens)
    return sum(
        min(
            role_context.window.max_model_len,
            role_context.preamble(persona).base_tokens(note=False, direction_tokens=0) + said,
        )
        for role_context in spec.role_contexts.values()
        if engine_key(role_context.role) == engine
    )


async def whole(work: Callable[..., T], *arguments: object) -> T:
    """Do `work` in a thread and wait for its end, also when cancelled meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])
