"""Judges runs: run folders, on an engine of their own, and the runs of a batch at their end, on the loaded engines.

Invariants:
- One process at a time judges a folder; a folder that is being played is not judged.
- If a judge fails at the end of a run, the run is still finished, and can be judged again.
"""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.config.judging import JudgingConfig
from harness.config.schema import RunConfig
from harness.engines.pool import EnginePool
from harness.errors import HarnessError, JudgeError, StorageError
from harness.judges import library
from harness.judges.asking import Judge
from harness.judges.controls import Controls
from harness.judges.cost import Cost, estimate
from harness.judges.folder import Listener, Result, controls_for, judge_folder, judged_before
from harness.judges.judgements import Judgements, recorded
from harness.judges.judging import Judged, Plan
from harness.judges.patients import RUBRIC, PatientVerdicts
from harness.judges.sources import subjects
from harness.judges.start import Prepared, make, prepare
from harness.personas.schema import Persona, persona_hash
from harness.report.write import write_report
from harness.runs.interrupts import STOPPING, handled_here, interruptible
from harness.runs.reporter import Reporter
from harness.runs.resources import SharedResources
from harness.store.lock import lock
from harness.store.metrics import write_metrics
from harness.store.records import RunRecord, RunStatus, read_record


def prepared_judge(config: JudgingConfig) -> Prepared:
    """The judge of these settings, checked, with its rubrics. Raises `ConfigError`, `RubricError`."""
    dirs = library.folders(config.rubric_dir)
    ids = sorted(library.find(dirs)) if config.rubric == ("all",) else list(config.rubric)
    return prepare(config, library.load(ids, dirs))


def judge_folders(
    folders: Sequence[Path], prepared: Prepared, listener: Listener, *, rescore: bool = False
) -> tuple[list[Result], signal.Signals | None]:
    """Judge runs one after another on one engine. `rescore` calls no model and derives scores from recorded answers.

    Also returns the signal that interrupted it, or None. Raises a `HarnessError`; answers up to then are kept.
    """
    results: list[Result] = []

    async def work() -> None:
        with ExitStack() as stack:
            for folder in folders:
                _refuse_running(folder)
                stack.callback(lock(folder).release)
            if rescore:
                _refuse_unasked(folders, prepared)
            controls = controls_for(prepared)
            if rescore:
                for folder in folders:
                    with Judgements(folder, writable=False) as judgements:
                        judge = judged_before(folder, prepared, judgements)
                        results.append(await _judge(folder, prepared, judge, controls, listener))
                return
            async with EnginePool([prepared.role], log_dir=folders[0] / "logs") as pool:
                results.extend(await _judge_on(pool, folders, prepared, controls, listener))

    def first() -> None:
        listener.say("interrupted: answers so far are kept")

    interrupted = asyncio.run(interruptible(work(), handled_here(STOPPING), first=first, second=lambda: None))
    return results, interrupted


def estimates(folders: Sequence[Path], prepared: Prepared) -> Iterator[tuple[Path, str, Cost]]:
    """The cost of judging these runs: one entry for the sessions of each run, and one for its controls. Calls no model."""
    plan = Plan(prepared.rubrics, prepared.config.repeats, prepared.config.orders)
    controls = controls_for(prepared)
    asked: Cost | None = None
    for folder in folders:
        personas, _ = personas_of(read_record(folder))
        with Judgements(folder, writable=False) as judgements:
            judge = judged_before(folder, prepared, judgements)
            own = subjects(folder, personas, courses=prepared.config.courses)
            yield folder, "sessions", estimate(judge, plan, own)
            if asked is None:
                asked = estimate(judge, plan, controls.subjects)
                yield folder, "controls", asked
            else:  # their answers are those of the first folder
                yield folder, "controls", Cost(asked.subjects, asked.requests, asked.requests, windows=asked.windows)


async def judge_at_end(
    folder: Path, prepared: Prepared, pool: EnginePool, reporter: Reporter, known: Path | None = None
) -> None:
    """Judge a run that has just ended, on the engines of its batch, and write its report again. `known`: as in `_judge_on`."""
    try:
        with ExitStack() as stack:
            stack.callback(lock(folder).release)
            [result] = await _judge_on(pool, [folder], prepared, controls_for(prepared), _Told(reporter), known)
            await asyncio.to_thread(write_report, folder)
    except HarnessError as error:
        reporter.say(f"not judged: {str(error).splitlines()[0]}; judge it with: python -m harness judge {folder}")
        return
    certificate = result.certificate
    reporter.say(f"judged: {result.scores} scores by {certificate.judge}, which is {certificate.verdict}")


def judge_of(config: RunConfig) -> Prepared:
    """The judge in the config of a run. Raises `ConfigError`, `RubricError`."""
    assert config.judge is not None
    settings = {name: getattr(config.judging, name) for name in type(config.judging).model_fields}
    return prepared_judge(JudgingConfig.model_construct(judge=config.judge, **settings))  # all checked with the run


def personas_of(record: RunRecord) -> tuple[dict[str, Persona], list[str]]:
    """The personas that a run was played with, and a line for each that is missing or has changed."""
    try:
        found = SharedResources().personas(RunConfig.model_validate(record.config))
    except (HarnessError, ValueError) as error:
        return {}, [f"the run's personas were not found, so rubrics don't use them: {str(error).splitlines()[0]}"]
    same = {persona.id: persona for persona in found if record.persona_hashes.get(persona.id) == persona_hash(persona)}
    changed = sorted({persona.id for persona in found} - same.keys())
    return same, [f"persona {name}: changed since the run was played, so rubrics don't use it" for name in changed]


async def _judge_on(
    pool: EnginePool,
    folders: Sequence[Path],
    prepared: Prepared,
    controls: Controls,
    listener: Listener,
    known: Path | None = None,
) -> list[Result]:
    """Judge folders one after another. What was asked in the folder `known`, or else in the first of them, is not asked
    again: above all the controls, which are the same for every folder."""
    engine = await pool.acquire(prepared.role)
    info = pool.info(prepared.role)
    results = []
    for folder in folders:
        with ExitStack() as stack:
            first = stack.enter_context(Judgements(known, writable=False)) if known is not None else None
            judgements = stack.enter_context(Judgements(folder, known=first))
            judge = make(prepared, judgements, engine, info)
            results.append(await _judge(folder, prepared, judge, controls, listener))
        known = known or folder
    return results


async def _judge(folder: Path, prepared: Prepared, judge: Judge, controls: Controls, listener: Listener) -> Result:
    personas, notes = personas_of(read_record(folder))
    if any(rubric.sees.persona == "full" for rubric in prepared.rubrics):
        for note in notes:
            listener.say(f"note: {note}")
    result = await judge_folder(folder, prepared, judge, controls, listener, personas)
    if any(rubric.id == RUBRIC for rubric in prepared.rubrics):
        write_metrics(folder, amend=PatientVerdicts(folder).metrics)
    return result


def _refuse_unasked(folders: Sequence[Path], prepared: Prepared) -> None:
    """Raise `JudgeError` if this judge was never asked about a rubric: there are no answers to derive scores from."""
    lines = []
    for folder in folders:
        known, judge = recorded(folder), prepared.identity.name
        missing = [rubric.id for rubric in prepared.rubrics if rubric.id not in known.get(judge, ())]
        if missing:
            there = "; ".join(f"{name}: {', '.join(sorted(rubrics))}" for name, rubrics in sorted(known.items()))
            lines.append(
                f"{folder}: no answers of {judge} about {', '.join(missing)}; give the settings and rubrics with which it was "
                f"judged (recorded: {there or 'nothing'})"
            )
    if lines:
        raise JudgeError(*lines)


def _refuse_running(folder: Path) -> None:
    if read_record(folder).status is RunStatus.RUNNING:
        raise StorageError(f"{folder}: the run was not ended; finish it with `python -m harness resume {folder}` first")


class _Told:
    """Reports the judge's progress to a run's reporter."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def judging(self, folder: Path, judge: str, sessions: int, controls: int) -> None:
        self._reporter.say(f"judging {sessions} sessions and {controls} controls by {judge}")

    def judged(self, judged: Judged, judge: Judge) -> None:
        """Does nothing: a run's reporter has no line for it."""

    def say(self, line: str) -> None:
        self._reporter.say(line)
