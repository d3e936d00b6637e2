"""What a run needs before an engine starts: everything checked, the folder ready to be opened.

Invariant: whatever can be refused without a model is refused here, cheapest checks first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.agents.transcript import read_transcript
from harness.config.auto import check_ray
from harness.config.overrides import changed
from harness.config.plugins import recorded
from harness.config.recorded import read_config, refuse_code, refuse_unknown
from harness.config.schema import RoleConfig, RunConfig
from harness.config.servers import refuse_server
from harness.context.budget import Window
from harness.engines.pool import check_settings, engine_key
from harness.engines.window import context_window
from harness.errors import StorageError
from harness.judges.records import CERTIFICATE
from harness.models.located import located
from harness.personas.schema import Persona, persona_hash
from harness.runs.content import content_hashes, model_hashes
from harness.runs.resources import SharedResources
from harness.sessions.course import handover_of
from harness.sessions.factory import RoleContext, check_fits
from harness.sessions.loop import Session
from harness.sessions.plan import plan
from harness.store.files import count_lines
from harness.store.identity import config_hash, recorded_contents, refuse_changed
from harness.store.outputs import check_writable, default_path
from harness.store.records import RunRecord, RunStatus, Totals, read_record, refuse_imported
from harness.store.resume import Progress, SessionState
from harness.store.run_dir import RunDir
from harness.types import SessionSpec, Source, Speaker

if TYPE_CHECKING:
    from harness.judges.start import Prepared

UNTOLD = 1 << 20
"""Tokens; window of a server that says its own only when it is reached."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A checked config with all that it names."""

    config: RunConfig
    date: datetime
    """The day that chat templates may print; resumed runs keep theirs."""
    personas: Sequence[Persona]
    roles: Mapping[Speaker, RoleConfig]
    """The roles that a model plays, with the model's path as found on this machine."""
    role_contexts: Mapping[Speaker, RoleContext]
    lines: Sequence[str] | None
    """What a replayed patient says; None where a model plays the patient."""
    contents: Mapping[str, str]
    """Setting to the hash of what it names."""
    judge: "Prepared | None" = None
    """Who judges the run at its end."""
    branches: int | None = None
    """How many sessions it holds, where they branch off from others; None where personas and seeds say it."""

    @property
    def config_hash(self) -> str:
        """What makes it this experiment and no other: settings, personas, and the content of what they name."""
        personas = {f"persona {name}": digest for name, digest in _persona_hashes(self.personas).items()}
        return config_hash(self.config.model_dump(mode="json"), {**self.contents, **personas})

    @property
    def sessions(self) -> int:
        """How many sessions the plan holds."""
        if self.branches is not None:
            return self.branches
        return len(self.personas) * self.config.sessions_per_persona * self.config.course.sessions

    def engines(self) -> frozenset[str]:
        """Keys of the engines that it needs."""
        judge = [self.judge.role] if self.judge is not None else []
        return frozenset(engine_key(role) for role in [*self.roles.values(), *judge])


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run whose folder is open and whose engines are not started."""

    spec: RunSpec
    folder: RunDir
    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class CheckedRun:
    """A run that is checked and whose folder is not open yet; many may wait at no cost."""

    spec: RunSpec
    open: Callable[[], OpenRun]
    """Make the run's folder, or open it again; its user closes it. Raises `StorageError`."""
    done: int = 0
    """Sessions that are over already."""
    is_new: bool = True
    """Whether its folder is made afresh."""
    is_over: bool = False
    """Whether it was finished already, and judged as far as it was to be."""


def sessions_left(open_run: OpenRun) -> Iterator[Session]:
    """The sessions of a run that have not ended and wait for no other, each with what it already said.

    To be asked once. Raises `StorageError` where the journal lacks what a session hands over to the next.
    """
    config, progress = open_run.spec.config, open_run.progress
    if open_run.spec.branches is not None:
        for session_id in list(progress.in_progress):
            begun = progress.in_progress.pop(session_id)
            yield begun.resumed(Session(begun.spec))
        return
    ids = tuple(persona.id for persona in open_run.spec.personas)
    source = Source.SIMULATED if open_run.spec.lines is None else Source.REPLAYED
    for course in plan(ids, config.sessions_per_persona, config.seed, config.course.sessions, source):
        session = _next(open_run.folder.path, course, progress)
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


def prepare(config: RunConfig, resources: SharedResources, contents: Mapping[str, str] | None = None) -> CheckedRun:
    """Check the config of a new run. `contents`, where they are known already, say which commits of hub models to take.

    Raises `ConfigError`, `PersonaError`, `TranscriptError`, and `EngineError` where the small model has to be fetched
    and can't be.
    """
    if config.run.dir is not None:
        check_writable(config.run.dir)
    spec = spec_of(config, datetime.now(UTC), resources, contents or {})
    return CheckedRun(spec, lambda: create(spec, resources))


def reopen(
    path: Path, resources: SharedResources, *, retry_failed: bool, overrides: Sequence[str] = (), trusted: bool = False
) -> CheckedRun:
    """The same for a run that exists, under the config that it started with, but for `overrides` (KEY=VALUE).

    `trusted`: code that comes with its models may run. Raises `StorageError` where the folder can't be resumed, or
    where settings that can change results, its personas or the content of what it names are no longer the same.
    """
    record, config = recorded_config(path, overrides, trusted=trusted)
    settings = config.model_dump(mode="json")
    spec = recorded_spec(record, config, resources)

    def open_again() -> OpenRun:
        folder, progress = RunDir.open(path, retry_failed=retry_failed)
        try:
            _refuse_half_begun(spec, progress, path)
        except StorageError:
            folder.close()
            raise
        folder.update(config=settings, name=config.run.name or record.name)
        return OpenRun(spec, folder, progress)

    done = count_lines(path / "sessions.jsonl") + (0 if retry_failed else count_lines(path / "failures.jsonl"))
    judged = config.judge is None or (path / CERTIFICATE).exists()
    over = record.status is RunStatus.FINISHED and judged and not (retry_failed and record.totals.failed)
    return CheckedRun(spec, open_again, done, is_new=False, is_over=over)


def recorded_config(path: Path, overrides: Sequence[str], *, trusted: bool) -> tuple[RunRecord, RunConfig]:
    """A run as it was begun, in the words of this version, and the config to go on with. Raises as `reopen`; loads nothing
    that the config names."""
    record = read_record(path)
    refuse_imported(path, record, "resume")
    config, unknown = read_config(record.config, path)
    refuse_unknown(unknown, record.provenance.harness, path)
    record = record.model_copy(update={"config": config.model_dump(mode="json")})
    config = changed(record.config, overrides)
    refuse_changed(record, config.model_dump(mode="json"), record.persona_hashes)
    refuse_code(config, path, trusted)
    refuse_server(config, path, overrides)
    return record, config


def recorded_spec(record: RunRecord, config: RunConfig, resources: SharedResources) -> RunSpec:
    """What a run that exists was started with, as found on this machine. Raises as `prepare`, and `StorageError` where
    its settings or personas, or the content of what it names, are no longer the same.
    """
    spec = spec_of(config, record.started_at, resources, recorded_contents(record))
    refuse_changed(record, config.model_dump(mode="json"), _persona_hashes(spec.personas), spec.contents)
    return replace(spec, branches=record.totals.sessions) if record.source is Source.BRANCHED else spec


def _refuse_half_begun(spec: RunSpec, progress: Progress, path: Path) -> None:
    """Branches are begun all at once, before the first is played; which ones are missing nobody knows any more."""
    begun = len(progress.finished) + len(progress.failed) + len(progress.in_progress)
    if spec.branches is not None and begun != spec.branches:
        raise StorageError(f"{path}: {begun} of {spec.branches} branches were begun; start them again in a new folder")


def create(spec: RunSpec, resources: SharedResources) -> OpenRun:
    """Make the folder of a new run. Raises `StorageError`."""
    now = datetime.now(UTC)
    if now.date() != spec.date.date():  # it waited past midnight
        spec = replace(spec_of(spec.config, now, resources, spec.contents), branches=spec.branches)
    source = Source.SIMULATED if spec.lines is None else Source.REPLAYED
    settings = spec.config.model_dump(mode="json")
    fingerprints = {str(speaker): resources.fingerprint(role.model) for speaker, role in spec.roles.items()}
    record = RunRecord(
        name=spec.config.run.name or "run",
        status=RunStatus.RUNNING,
        started_at=now,
        config=settings,
        config_hash=spec.config_hash,
        persona_hashes=_persona_hashes(spec.personas),
        content_hashes=dict(spec.contents),
        languages=_languages(spec.personas),
        provenance=resources.provenance.model_copy(update={"models": fingerprints}),
        plugins=recorded(),
        totals=Totals(sessions=spec.sessions),
        source=source if spec.branches is None else Source.BRANCHED,
    )
    path = spec.config.run.dir or default_path(record.name, now.astimezone())
    return OpenRun(spec, RunDir.create(path, record), Progress())


def spec_of(config: RunConfig, date: datetime, resources: SharedResources, contents: Mapping[str, str]) -> RunSpec:
    """A checked config with all that it names, as found on this machine; `contents` as of `prepare`. Raises as it."""
    if config.executor.kind == "ray":
        check_ray()
    personas = resources.personas(config)
    for _, role in config.roles():
        check_settings(role)
    roles: dict[Speaker, RoleConfig] = dict(config.roles())
    lines = None
    if config.patient.transcript is not None:
        lines = read_transcript(config.patient.transcript, config.patient.session).patient
        del roles[Speaker.PATIENT]
    found = {speaker: located(speaker, role, contents) for speaker, role in roles.items()}
    hashes = models_of(found, resources)  # first, so that no tokenizer reads a template without end
    role_contexts = role_contexts_of(found, date, resources)
    check_fits(config, personas, role_contexts)
    contents_of = content_hashes(config, found, hashes, _languages(personas))
    return RunSpec(config, date, personas, found, role_contexts, lines, contents_of, _judge_of(config))


def _judge_of(config: RunConfig) -> "Prepared | None":
    """The judge that a run asks for; None where it asks for none."""
    if config.judge is None:
        return None
    from harness.runs.judging import judge_of  # most runs have none

    return judge_of(config)


def experiment(config: RunConfig, resources: SharedResources) -> tuple[str, Mapping[str, str]]:
    """The hash that a run of this config will have, and the content hashes in it, without rendering a prompt.

    Raises a `HarnessError` where something that the config names can't be found.
    """
    roles = {s: located(s, role) for s, role in config.roles() if s is Speaker.THERAPIST or _simulated(config)}
    personas = resources.personas(config)
    contents = content_hashes(config, roles, models_of(roles, resources), _languages(personas))
    spec = RunSpec(config, datetime.now(UTC), personas, roles, {}, None, contents)
    return spec.config_hash, contents


def _simulated(config: RunConfig) -> bool:
    return config.patient.transcript is None


def models_of(roles: Mapping[Speaker, RoleConfig], resources: SharedResources) -> dict[str, str]:
    """The content hashes of the models of located roles."""
    hashes: dict[str, str] = {}
    for speaker, role in roles.items():
        adapter = None if role.model.adapter is None else resources.adapter(role.model.adapter)
        hashes |= model_hashes(speaker, role.model, resources.fingerprint(role.model), adapter)
    return hashes


def role_contexts_of(
    roles: Mapping[Speaker, RoleConfig], date: datetime, resources: SharedResources
) -> dict[Speaker, RoleContext]:
    """One window for each engine."""
    windows: dict[str, Window] = {}
    role_contexts = {}
    for speaker, role in roles.items():
        window = windows.setdefault(engine_key(role), Window(_window(role)))
        role_contexts[speaker] = RoleContext(speaker, role, resources.renderer(role.model, date), window)
    return role_contexts


def _window(role: RoleConfig) -> int:
    if role.engine.kind == "openai":
        return role.engine.max_model_len or role.model.max_model_len or UNTOLD
    return context_window(role.engine, role.model)


def _languages(personas: Sequence[Persona]) -> tuple[str, ...]:
    """Codes of the languages that they speak."""
    return tuple(sorted({persona.language for persona in personas}))


def _persona_hashes(personas: Sequence[Persona]) -> dict[str, str]:
    return {persona.id: persona_hash(persona) for persona in personas}
