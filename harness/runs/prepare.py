"""Checks a run before an engine starts, and prepares its folder for opening.

Invariant: every mistake that can be found without a model is refused here, cheapest checks first.
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
from harness.store.records import CERTIFICATE, RunRecord, RunStatus, Totals, read_record, refuse_imported
from harness.store.resume import Progress, SessionState
from harness.store.run_dir import RunDir
from harness.types import SessionSpec, Source, Speaker

if TYPE_CHECKING:
    from harness.judges.start import Prepared

UNTOLD = 1 << 20
"""Tokens; assumed window of a server that reports its own only once it is reached."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A checked config, with everything that it names."""

    config: RunConfig
    date: datetime
    """The day that chat templates may print; resumed runs keep theirs."""
    personas: Sequence[Persona]
    roles: Mapping[Speaker, RoleConfig]
    """The roles that a model plays, with their models located."""
    role_contexts: Mapping[Speaker, RoleContext]
    lines: Sequence[str] | None
    """The lines of a replayed patient; None if a model plays the patient."""
    contents: Mapping[str, str]
    """Content hashes by setting."""
    judge: "Prepared | None" = None
    """The judge of the run at its end; None if there is none."""
    branches: int | None = None
    """Number of sessions in a run of branches; None for any other run."""

    @property
    def config_hash(self) -> str:
        """The hash that identifies the experiment: settings, personas, and the content of the files that they name."""
        personas = {f"persona {name}": digest for name, digest in _persona_hashes(self.personas).items()}
        return config_hash(self.config.model_dump(mode="json"), {**self.contents, **personas})

    @property
    def sessions(self) -> int:
        """Number of sessions in the plan."""
        if self.branches is not None:
            return self.branches
        return len(self.personas) * self.config.sessions_per_persona * self.config.course.sessions

    def engines(self) -> frozenset[str]:
        """Keys of the engines that the run needs."""
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
    """A checked run whose folder is not open yet; holding many of them costs nothing."""

    spec: RunSpec
    open: Callable[[], OpenRun]
    """Make the run's folder, or open an existing one; the caller closes it. Raises `StorageError`."""
    done: int = 0
    """Number of sessions that have already ended."""
    is_new: bool = True
    """Whether its folder will be new."""
    is_over: bool = False
    """Whether it is already finished, and judged if it has a judge."""


def sessions_left(open_run: OpenRun) -> Iterator[Session]:
    """The sessions of a run that have not ended and don't wait for another one, each with its turns so far.

    Call it once. Raises `StorageError` if the journal lacks a handover.
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
    """The next session of a course; None if all have ended, or if one failed."""
    finished = sum(progress.state(spec.session_id) is SessionState.FINISHED for spec in course)
    if finished == len(course) or progress.state(course[finished].session_id) is SessionState.FAILED:
        return None
    spec, rest = course[finished], course[finished + 1 :]
    handed = progress.handovers.pop(spec.course, None) if spec.course is not None else None
    if spec.number > 1 and handed is None:
        raise StorageError(f"{folder}: no handover to {spec.session_id}; the journal is damaged")
    session = Session(spec, before=None if handed is None else handover_of(handed), rest=rest)
    past = progress.in_progress.pop(spec.session_id, None)
    return past.resumed(session) if past else session


def prepare(config: RunConfig, resources: SharedResources, contents: Mapping[str, str] | None = None) -> CheckedRun:
    """Check the config of a new run. `contents`, if known, give the commits of hub models to use.

    Raises `ConfigError`, `PersonaError`, `TranscriptError`, and `EngineError` if the small model can't be fetched.
    """
    if config.run.dir is not None:
        check_writable(config.run.dir)
    spec = spec_of(config, datetime.now(UTC), resources, contents or {})
    return CheckedRun(spec, lambda: create(spec, resources))


def reopen(
    path: Path, resources: SharedResources, *, retry_failed: bool, overrides: Sequence[str] = (), trusted: bool = False
) -> CheckedRun:
    """The same for an existing run, with the config that it started with, except for `overrides` (KEY=VALUE).

    `trusted`: code that comes with its models may run. Raises `StorageError` if the folder can't be resumed, or if settings
    that can change results, its personas, or the content of files that it names have changed.
    """
    record, config = recorded_config(path, overrides, trusted=trusted)
    settings = config.model_dump(mode="json")
    spec = recorded_spec(record, config, resources)

    def open_again() -> OpenRun:
        folder, progress = RunDir.open(path, retry_failed=retry_failed)
        try:
            _refuse_half_begun(spec, progress, path)
            folder.update(config=settings, name=config.run.name or record.name)
        except BaseException:
            folder.close()
            raise
        return OpenRun(spec, folder, progress)

    done = count_lines(path / "sessions.jsonl") + (0 if retry_failed else count_lines(path / "failures.jsonl"))
    same_judge = all(record.config.get(key) == settings[key] for key in ("judge", "judging"))
    judged = config.judge is None or (same_judge and (path / CERTIFICATE).exists())
    over = record.status is RunStatus.FINISHED and judged and not (retry_failed and record.totals.failed)
    return CheckedRun(spec, open_again, done, is_new=False, is_over=over)


def recorded_config(path: Path, overrides: Sequence[str], *, trusted: bool) -> tuple[RunRecord, RunConfig]:
    """The record of a run with the config in this version's form, and the config to continue with.

    Raises as `reopen`; loads nothing that the config names.
    """
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
    """The checked config of an existing run, with everything that it names. Raises as `prepare`, and `StorageError` if
    its settings, its personas, or the content of files that it names have changed.
    """
    spec = spec_of(config, record.started_at, resources, recorded_contents(record))
    refuse_changed(record, config.model_dump(mode="json"), _persona_hashes(spec.personas), spec.contents)
    return replace(spec, branches=record.totals.sessions) if record.source is Source.BRANCHED else spec


def _refuse_half_begun(spec: RunSpec, progress: Progress, path: Path) -> None:
    """Raise `StorageError` if a run was killed while its branches were begun: the missing ones are not recorded."""
    begun = len(progress.finished) + len(progress.failed) + len(progress.in_progress)
    if spec.branches is not None and begun != spec.branches:
        raise StorageError(f"{path}: {begun} of {spec.branches} branches were begun; start them again in a new folder")


def create(spec: RunSpec, resources: SharedResources) -> OpenRun:
    """Make the folder of a new run. Raises `StorageError`."""
    now = datetime.now(UTC)
    if now.date() != spec.date.date():  # midnight has passed since the check
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
    """A checked config with everything that it names, located on this machine. `contents` and errors as for `prepare`."""
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
    hashes = models_of(found, resources)  # first, since it refuses an endless template before a tokenizer reads it
    role_contexts = role_contexts_of(found, date, resources)
    check_fits(config, personas, role_contexts)
    contents_of = content_hashes(config, found, hashes, _languages(personas))
    return RunSpec(config, date, personas, found, role_contexts, lines, contents_of, _judge_of(config))


def _judge_of(config: RunConfig) -> "Prepared | None":
    """The judge of a run; None if it has none."""
    if config.judge is None:
        return None
    from harness.runs.judging import judge_of  # imported here, since most runs have no judge

    return judge_of(config)


def experiment(config: RunConfig, resources: SharedResources) -> tuple[str, Mapping[str, str]]:
    """The hash of a run of this config, and the content hashes that it covers. Renders no prompt.

    Raises a `HarnessError` if something that the config names can't be found.
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
    """The contexts of the roles, which share one window per engine."""
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
    """Codes of the personas' languages."""
    return tuple(sorted({persona.language for persona in personas}))


def _persona_hashes(personas: Sequence[Persona]) -> dict[str, str]:
    return {persona.id: persona_hash(persona) for persona in personas}
