"""What a run needs before an engine starts: everything checked, the folder ready to be opened.

Invariant: whatever can be refused without a model is refused here, cheapest checks first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import models
from harness.agents.transcript import read_transcript
from harness.cast import Side, check_fits
from harness.config.changes import changed
from harness.config.schema import RoleConfig, RunConfig
from harness.context.budget import Window
from harness.course import handover_of
from harness.engines.pool import engine_key
from harness.engines.window import context_window
from harness.errors import StorageError
from harness.personas.schema import Persona, persona_hash
from harness.plan import plan
from harness.scale.cluster import check_ray
from harness.session import Session
from harness.stock import Stock
from harness.store.identity import config_hash, refuse_changed
from harness.store.outputs import check_writable, default_path
from harness.store.records import RunRecord, RunStatus, Totals, read_record
from harness.store.resume import Progress, SessionState
from harness.store.run_dir import RunDir
from harness.types import SessionSpec, Speaker

UNTOLD = 1 << 20
"""Tokens; window of a server that says its own only when it is reached."""


@dataclass(frozen=True, slots=True)
class Script:
    """A checked config with all that it names."""

    config: RunConfig
    date: datetime
    """The day that chat templates may print; resumed runs keep theirs."""
    personas: Sequence[Persona]
    roles: Mapping[Speaker, RoleConfig]
    """The roles that a model plays, with the model's path as found on this machine."""
    sides: Mapping[Speaker, Side]
    lines: Sequence[str] | None
    """What a replayed patient says; None where a model plays the patient."""

    @property
    def sessions(self) -> int:
        """How many sessions the plan holds."""
        return len(self.personas) * self.config.sessions_per_persona * self.config.course.sessions

    def engines(self) -> frozenset[str]:
        """Keys of the engines that it needs."""
        return frozenset(engine_key(role) for role in self.roles.values())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run whose folder is open and whose engines are not started."""

    script: Script
    folder: RunDir
    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A run that is checked and whose folder is not open yet; many may wait at no cost."""

    script: Script
    open: Callable[[], Prepared]
    """Make the run's folder, or open it again; its user closes it. Raises `StorageError`."""
    done: int = 0
    """Sessions that are over already."""


def sessions_left(prepared: Prepared) -> Iterator[Session]:
    """The sessions of a run that have not ended and wait for no other, each with what it already said.

    To be asked once. Raises `StorageError` where the journal lacks what a session hands over to the next.
    """
    config, progress = prepared.script.config, prepared.progress
    ids = tuple(persona.id for persona in prepared.script.personas)
    for course in plan(ids, config.sessions_per_persona, config.seed, config.course.sessions):
        session = _next(prepared.folder.path, course, progress)
        if session is not None:
            yield session


def _next(folder: Path, course: tuple[SessionSpec, ...], progress: Progress) -> Session | None:
    """The session of a course that is next; None where all have ended, or one failed."""
    finished = sum(progress.state(spec.session_id) is SessionState.FINISHED for spec in course)
    if finished == len(course) or progress.state(course[finished].session_id) is SessionState.FAILED:
        return None
    spec, rest = course[finished], course[finished + 1 :]
    handed = progress.handovers.pop(spec.course, None) if spec.course is not None else None
    if spec.number > 1 and handed is None:
        raise StorageError(f"{folder}: nothing was handed over to {spec.session_id}; the journal is damaged")
    session = Session(spec, before=None if handed is None else handover_of(handed), rest=rest)
    past = progress.in_progress.pop(spec.session_id, None)
    return past.resumed(session) if past else session


def prepare(config: RunConfig, stock: Stock) -> Pending:
    """Check the config of a new run.

    Raises `ConfigError`, `PersonaError`, `TranscriptError`, and `EngineError` where the small model has to be fetched
    and can't be.
    """
    if config.run.dir is not None:
        check_writable(config.run.dir)
    script = _script(config, datetime.now(UTC), stock)
    return Pending(script, lambda: _create(script, stock))


def reopen(path: Path, stock: Stock, *, retry_failed: bool, overrides: Sequence[str] = ()) -> Pending:
    """The same for a run that exists, under the config that it started with, but for `overrides` (KEY=VALUE).

    Raises `StorageError` where the folder can't be resumed, or where settings that can change results or its personas
    are no longer the same.
    """
    record = read_record(path)
    config = changed(record.config, overrides)
    settings = config.model_dump(mode="json")
    refuse_changed(record, settings, record.persona_hashes)  # before what was changed is loaded
    script = recorded_script(record, config, stock)

    def open_again() -> Prepared:
        folder, progress = RunDir.open(path, retry_failed=retry_failed)
        folder.update(config=settings)
        return Prepared(script, folder, progress)

    return Pending(script, open_again, record.totals.finished + (0 if retry_failed else record.totals.failed))


def recorded_script(record: RunRecord, config: RunConfig, stock: Stock) -> Script:
    """What a run that exists was started with, as found on this machine. Raises as `prepare`, and `StorageError` where
    its settings or personas are no longer the same.
    """
    script = _script(config, record.started_at, stock)
    refuse_changed(record, config.model_dump(mode="json"), _persona_hashes(script))
    return script


def _create(script: Script, stock: Stock) -> Prepared:
    now = datetime.now(UTC)
    if now.date() != script.date.date():  # it waited past midnight
        script = _script(script.config, now, stock)
    settings = script.config.model_dump(mode="json")
    fingerprints = {str(speaker): stock.fingerprint(role.model) for speaker, role in script.roles.items()}
    record = RunRecord(
        name=script.config.run.name or "run",
        status=RunStatus.RUNNING,
        started_at=now,
        config=settings,
        config_hash=config_hash(settings),
        persona_hashes=_persona_hashes(script),
        provenance=stock.provenance.model_copy(update={"models": fingerprints}),
        totals=Totals(sessions=script.sessions),
    )
    path = script.config.run.dir or default_path(record.name, now.astimezone())
    return Prepared(script, RunDir.create(path, record), Progress())


def _script(config: RunConfig, date: datetime, stock: Stock) -> Script:
    if config.executor.kind == "ray":
        check_ray()
    personas = stock.personas(config)
    roles: dict[Speaker, RoleConfig] = dict(config.roles())
    lines = None
    if config.patient.transcript is not None:
        lines = read_transcript(config.patient.transcript, config.patient.session).patient
        del roles[Speaker.PATIENT]
    found = {speaker: located(speaker, role) for speaker, role in roles.items()}
    sides = sides_of(found, date, stock)
    check_fits(config, personas, sides)
    return Script(config, date, personas, found, sides, lines)


def located(speaker: Speaker, role: RoleConfig) -> RoleConfig:
    """The role with its model as found on this machine; the small model is fetched where it is missing."""
    path = str(models.resolve(role.model.path, key=f"{speaker}.model.path"))
    return role.model_copy(update={"model": role.model.model_copy(update={"path": path})})


def sides_of(roles: Mapping[Speaker, RoleConfig], date: datetime, stock: Stock) -> dict[Speaker, Side]:
    """One window for each engine."""
    windows: dict[str, Window] = {}
    sides = {}
    for speaker, role in roles.items():
        window = windows.setdefault(engine_key(role), Window(_window(role)))
        sides[speaker] = Side(speaker, role, stock.renderer(role.model, date), window)
    return sides


def _window(role: RoleConfig) -> int:
    if role.engine.kind == "openai":
        return role.engine.max_model_len or role.model.max_model_len or UNTOLD
    return context_window(role.engine, role.model)


def _persona_hashes(script: Script) -> dict[str, str]:
    return {persona.id: persona_hash(persona) for persona in script.personas}
