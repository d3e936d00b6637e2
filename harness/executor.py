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

from harness.cast import Cast, check_fits
from harness.cli.progress import Display
from harness.engines.base import Engine, EngineInfo
from harness.engines.concurrency import auto_concurrency
from harness.engines.notices import Listener
from harness.engines.pool import EnginePool, engine_key
from harness.errors import ConfigError, HarnessError
from harness.prepare import Pending, Prepared, Script
from harness.run import Run
from harness.runner import Stage
from harness.types import Speaker

T = TypeVar("T")


class Executor(Protocol):
    """Plays sessions of runs that need the same engines. Use as an async context manager; leaving it stops them."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def stage(self, run: Pending, prepared: Prepared) -> Stage | HarnessError:
        """Where the sessions of a run are played, its engines started; or what refuses this run and no other.

        Raises a `HarnessError` for what concerns all runs.
        """
        ...

    def concurrency(self) -> tuple[int, str]:
        """Most sessions in flight, and why; known once a run got its stage or was refused one."""
        ...


def make_executor(runs: Sequence[Pending], display: Display, log_dir: Path, listener: Listener) -> Executor:
    """The executor that the configs of `runs`, which agree in it, ask for.

    `log_dir` takes what the engines say, `listener` what they report while they wait.
    """
    if runs[0].script.config.executor.kind == "ray":
        from harness.scale.fleet import RayExecutor

        return RayExecutor(runs, display, log_dir, listener)
    return LocalExecutor(runs, display, log_dir, listener)


class LocalExecutor:
    """Plays all sessions in this process."""

    def __init__(self, runs: Sequence[Pending], display: Display, log_dir: Path, listener: Listener) -> None:
        self._runs = runs
        self._display = display
        roles = [role for run in runs for role in run.script.roles.values()]
        self._pool = EnginePool(roles, log_dir=log_dir, listener=listener)

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)

    async def stage(self, run: Pending, prepared: Prepared) -> Stage | HarnessError:
        if run is self._runs[0]:
            announce(run.script, self._display)
        engines, infos = await start_engines(prepared.script, self._pool)
        try:
            cast = make_cast(prepared.script, engines, infos)
        except HarnessError as error:
            return error
        await whole(partial(prepared.folder.update, engines=infos))
        return Run(prepared.script.config, prepared.script.personas, cast, prepared.folder, self._display)

    def concurrency(self) -> tuple[int, str]:
        return concurrency([run.script for run in self._runs], self._pool)


def announce(script: Script, display: Display) -> None:
    """Say which engines are about to be started."""
    for speaker in script.roles:
        display.starting(speaker, dict(script.config.roles())[speaker])


async def start_engines(script: Script, pool: EnginePool) -> tuple[dict[Speaker, Engine], dict[str, EngineInfo]]:
    """Start or share the engines of a run and learn their windows. Raises `EngineError`, `ConfigError`."""
    engines: dict[Speaker, Engine] = {}
    infos: dict[str, EngineInfo] = {}
    for speaker, role in script.roles.items():
        engines[speaker] = await pool.acquire(role)
        infos[str(speaker)] = info = pool.info(role)
        window = script.sides[speaker].window
        window.max_model_len = min(window.max_model_len, info.max_model_len)
    return engines, infos


def make_cast(script: Script, engines: Mapping[Speaker, Engine], infos: Mapping[str, EngineInfo]) -> Cast:
    """The agents of a run on started engines. Raises a `HarnessError` where prompts can't fit their windows."""
    check_fits(script.config, script.personas, script.sides)
    _estimate(script, infos)
    return Cast(script.config, script.sides, engines, script.lines)


def _estimate(script: Script, infos: Mapping[str, EngineInfo]) -> None:
    """Be careful with servers that may count otherwise, as far as their windows leave room for that."""
    windows = [side.window for speaker, side in script.sides.items() if not infos[str(speaker)].counts_as_we_do]
    for window in windows:
        window.estimate()
    try:
        check_fits(script.config, script.personas, script.sides)
    except ConfigError:
        for window in windows:
            window.estimate(1.0)


def concurrency(scripts: Sequence[Script], pool: EnginePool) -> tuple[int, str]:
    """How many sessions are in flight, and why: what the configs ask for, or what the tightest engine holds."""
    asked = [script.config.concurrency for script in scripts]
    numbers = [number for number in asked if number != "auto"]
    if numbers:
        return max(numbers), "as configured"
    return min(
        auto_concurrency(pool.info(role), _session_tokens(script, engine_key(role)), role.engine.max_batch)
        for script in scripts
        for role in script.roles.values()
    )


def _session_tokens(script: Script, engine: str) -> int:
    """Most tokens that a session keeps in an engine's cache: the views of the speakers that it serves."""
    config, persona = script.config, script.personas[0]
    said = config.max_exchanges * (config.patient.max_new_tokens + config.therapist.max_new_tokens)
    return sum(
        min(side.window.max_model_len, side.part(persona).base_tokens(note=False, direction_tokens=0) + said)
        for side in script.sides.values()
        if engine_key(side.role) == engine
    )


async def whole(work: Callable[..., T], *arguments: object) -> T:
    """Do `work` in a thread and wait for its end, also when cancelled meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])
