"""A run of branches: checked like any run, with all its sessions begun at once, then played like any other.

Invariant: all branches are in the journal, with the turns that they begin with, before the first one is played. So the
folder no longer needs its parent, and can be resumed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.config.compose import load
from harness.config.recorded import refuse_code
from harness.config.schema import RunConfig
from harness.config.servers import refuse_server
from harness.errors import ConfigError, PersonaError, StorageError
from harness.personas.schema import Persona
from harness.runs.branching.points import Beginning, Points, beginnings, parents_of
from harness.runs.branching.settings import branch_config
from harness.runs.prepare import CheckedRun, OpenRun, RunSpec, create, spec_of
from harness.runs.resources import SharedResources
from harness.store.archive import Archive
from harness.store.outputs import check_writable
from harness.store.played import read_played
from harness.store.records import read_record
from harness.store.resume import SessionProgress
from harness.types import Source


def prepare_branches(
    path: Path,
    ids: Sequence[str],
    points: Points,
    *,
    variants: int = 1,
    exchanges: int | None = None,
    overrides: Sequence[str] = (),
    trusted: bool = False,
) -> CheckedRun:
    """A checked run of branches from the run in `path`: from its sessions `ids` (none: all finished ones).

    `trusted`: code that comes with its models may run.
    Raises `StorageError`, `ConfigError` and `PersonaError` for sessions that can't be branched.
    """
    path = path.resolve()
    record = read_record(path)
    found = {session.spec.session_id: session for session in read_played(path, ids or None, finished=not ids)}
    begun = list(beginnings(path, parents_of(path, found, ids), points, variants=variants, exchanges=exchanges))
    if not begun:
        raise ConfigError(f"--turn: {points.text}: no session of {path} has that turn")
    config = _config(path, record.source, overrides, begun)
    if record.source is not Source.IMPORTED:
        refuse_code(config, path, trusted)
        refuse_server(config, path, overrides)
    if config.patient.kind != "simulated":
        raise ConfigError(f"{path}: its patient is replayed and can't give new answers; expected patient=simulated")
    _check_bounds(config, begun)
    if config.run.dir is not None:
        check_writable(config.run.dir)
    resources = SharedResources()
    spec = replace(spec_of(config, datetime.now(UTC), resources, {}), branches=len(begun))
    personas = {persona.id: persona for persona in spec.personas}
    return CheckedRun(spec, lambda: _begin(create(spec, resources), begun, personas))


def _config(path: Path, source: Source, overrides: Sequence[str], begun: Sequence[Beginning]) -> RunConfig:
    """The settings of the branches, with the personas that they need."""
    needed = tuple(dict.fromkeys(one.spec.persona_id for one in begun))
    if source is not Source.IMPORTED:
        return branch_config(Archive(path).config, overrides)
    try:
        config = load([*overrides, f"personas=[{','.join(needed)}]"])
    except PersonaError as error:
        raise PersonaError(f"imported sessions can be branched only with a persona of the library: {error}") from error
    return config.model_copy(update={"run": config.run.model_copy(update={"name": config.run.name or "branch"})})


def _check_bounds(config: RunConfig, begun: Sequence[Beginning]) -> None:
    for one in begun:
        branch = one.spec.branch
        if branch is not None and branch.exchanges is None and branch.turn >= 2 * config.max_exchanges:
            raise ConfigError(
                f"{branch.session_id}: turn {branch.turn} lies beyond max_exchanges={config.max_exchanges}; "
                "set max_exchanges=N or --exchanges H"
            )


def _begin(open_run: OpenRun, begun: Sequence[Beginning], personas: dict[str, Persona]) -> OpenRun:
    """Journal the beginning of every branch."""
    folder, progress = open_run.folder, open_run.progress
    try:
        for one in begun:
            spec = one.spec
            started = {**_started(open_run.spec, personas[spec.persona_id]), "prefix": one.prefix()}
            folder.start_session(spec, **started)
            assert spec.branch is not None
            progress.in_progress[spec.session_id] = SessionProgress(
                spec,
                started,
                one.parent.turns[: spec.branch.turn],
                one.views(),
                [event for event in one.parent.events if event.turn < spec.branch.turn],
            )
    except KeyError as error:
        folder.close()
        raise StorageError(f"{folder.path}: persona {error} is not in the config of the run") from error
    except BaseException:
        folder.close()
        raise
    return open_run


def _started(spec: RunSpec, persona: Persona) -> dict[str, Any]:
    """The fields that rebuild the prompts of a session, as in `SessionAgents.started`."""
    preambles = {speaker: context.preamble(persona) for speaker, context in spec.role_contexts.items()}
    return {
        str(speaker): {"system": preamble.system, "opening": preamble.opening}
        for speaker, preamble in preambles.items()
    }
