"""Prepared runs to finished folders: start the engines, play, sum up.

Invariants:
- Runs that need the same engines are played as one batch on engines loaded once.
- The folders are whole at every moment; a run that stops early says how to go on.
"""

import asyncio
import os
import shlex
import signal
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.cast import Cast, check_fits
from harness.cli.progress import Display
from harness.config.schema import RunConfig
from harness.engines.base import Engine, EngineInfo
from harness.engines.concurrency import auto_concurrency
from harness.engines.pool import EnginePool
from harness.errors import HarnessError, StorageError
from harness.metrics.files import write_metrics
from harness.prepare import Prepared, prepare, reopen
from harness.report import write_report
from harness.run import Run
from harness.runner import run_all
from harness.store.records import RunStatus
from harness.types import Speaker


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    path: Path
    status: RunStatus
    failed: int
    """Sessions that failed."""

    @property
    def exit_code(self) -> int:
        if self.status is RunStatus.INTERRUPTED:
            return 130
        return 1 if self.failed else 0


def execute(configs: Sequence[RunConfig], display: Display) -> list[Outcome]:
    """Play new runs. Raises a `HarnessError` for what stops them before a session starts, or for all of them."""
    with ExitStack() as stack:
        return _play_all([prepare(config, stack) for config in configs], display)


def resume(path: Path, display: Display, *, retry_failed: bool = False) -> Outcome:
    """Go on with the run in `path`; with `retry_failed`, its failed sessions too. Raises as `execute`."""
    with ExitStack() as stack:
        return _play_all([reopen(path, stack, retry_failed=retry_failed)], display)[0]


def _play_all(runs: Sequence[Prepared], display: Display) -> list[Outcome]:
    """Group after group of runs that share their engines; an interrupt ends them all."""
    groups: dict[frozenset[str], list[Prepared]] = {}
    for run in runs:
        groups.setdefault(run.engines(), []).append(run)
    status = RunStatus.FINISHED
    for group in groups.values():
        if status is RunStatus.FINISHED:
            status = _play_group(group, display)
        for run in group:
            _end(run, status, display)
    return [Outcome(run.folder.path, status, run.folder.record.totals.failed) for run in runs]


def _play_group(group: Sequence[Prepared], display: Display) -> RunStatus:
    """Play runs on shared engines. Where nothing more can be played, says so in their folders and raises."""
    try:
        interrupted = asyncio.run(_interruptible(_play(group, display), group, display))
    except StorageError:
        display.stop()
        raise
    except HarnessError:
        display.stop()
        for run in group:
            run.folder.end(RunStatus.FAILED)
            display.say(f"what was said is kept; go on with: {resume_command(run.folder.path)}")
        raise
    display.stop()
    return RunStatus.INTERRUPTED if interrupted else RunStatus.FINISHED


async def _play(group: Sequence[Prepared], display: Display) -> None:
    roles = [role for run in group for role in run.script.roles.values()]
    logs = group[0].folder.path / "logs"
    async with EnginePool(roles, log_dir=logs, listener=display.notice) as pool:
        stages = [await _stage(run, pool, display) for run in group]
        limit, why = _concurrency(group, pool)
        display.say(f"sessions in flight: {limit} ({why})")
        totals = [run.folder.record.totals for run in group]
        display.start(sum(t.sessions for t in totals), done=sum(t.finished for t in totals))
        await run_all(((stage, session) for stage in stages for session in stage.left()), limit)


async def _stage(run: Prepared, pool: EnginePool, display: Display) -> Run:
    """Start or share the engines of a run, learn their windows, and make its cast."""
    script, engines = run.script, dict[Speaker, Engine]()
    infos: dict[str, EngineInfo] = {}
    for speaker, role in script.roles.items():
        display.starting(speaker, dict(script.config.roles())[speaker])
        engines[speaker] = await pool.acquire(role)
        infos[str(speaker)] = info = pool.info(role)
        window = script.sides[speaker].window
        window.max_model_len = min(window.max_model_len, info.max_model_len)
    check_fits(script.config, script.personas, script.sides)
    run.folder.update(engines=infos)
    cast = Cast(script.config, script.sides, engines, script.lines)
    return Run(script.config, script.personas, cast, run.folder, run.progress, display)


def _concurrency(group: Sequence[Prepared], pool: EnginePool) -> tuple[int, str]:
    """How many sessions are in flight, and why: what the configs ask for, or what the tightest engine holds."""
    asked = [run.script.config.concurrency for run in group]
    numbers = [number for number in asked if number != "auto"]
    if numbers:
        return max(numbers), "as configured"
    return min(
        auto_concurrency(pool.info(role), _session_tokens(run)) for run in group for role in run.script.roles.values()
    )


def _session_tokens(run: Prepared) -> int:
    """Most tokens that a session keeps in an engine's cache: the views of the speakers that it serves."""
    config, sides = run.script.config, run.script.sides
    said = config.max_exchanges * (config.patient.max_new_tokens + config.therapist.max_new_tokens)
    persona = run.script.personas[0]
    return sum(
        min(side.window.max_model_len, side.part(persona).base_tokens(note=False, direction_tokens=0) + said)
        for side in sides.values()
    )


async def _interruptible(work: Coroutine[None, None, None], group: Sequence[Prepared], display: Display) -> bool:
    """Await `work`; whether SIGINT or SIGTERM cut it short. A second one ends the process at once."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    interrupts = 0

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts == 1:
            display.say("interrupted: keeping what was said; once more to stop at once")
            task.cancel()
            return
        for run in group:
            run.folder.close()
        os._exit(130)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        await task
    except asyncio.CancelledError:
        if not interrupts:
            raise
    return interrupts > 0


def _end(run: Prepared, status: RunStatus, display: Display) -> None:
    """Bring a run to disk and tell a person where to look, or how to go on."""
    path = run.folder.path
    run.folder.end(status)
    if status is RunStatus.INTERRUPTED:
        display.say(f"go on with: {resume_command(path)}")
        return
    write_metrics(path)
    write_report(path)
    display.summary(path, run.folder.record)


def resume_command(path: Path) -> str:
    """What a user types to go on with a run."""
    return f"python -m harness resume {shlex.quote(str(path))}"
