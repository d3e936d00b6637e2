"""What a run needs before an engine starts: everything checked, the folder open.

Invariant: whatever can be refused without a model is refused here, cheapest checks first.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import models
from harness.agents.transcript import read_transcript
from harness.cast import Side, check_fits
from harness.config.schema import ModelConfig, RoleConfig, RunConfig
from harness.context.budget import Window
from harness.context.renderer import Renderer
from harness.engines.pool import engine_key
from harness.engines.window import context_window
from harness.errors import PersonaError
from harness.paths import persona_dir
from harness.personas.library import load as load_personas
from harness.personas.sampler import sample
from harness.personas.schema import Persona, persona_hash
from harness.store.identity import config_hash, refuse_changed
from harness.store.outputs import default_path
from harness.store.provenance import ModelFingerprint, collect, fingerprint
from harness.store.records import RunRecord, RunStatus, Totals, read_record
from harness.store.resume import Progress
from harness.store.run_dir import RunDir
from harness.types import Speaker

UNTOLD = 1 << 20
"""Tokens; window of a server that says its own only when it is reached."""


@dataclass(frozen=True, slots=True)
class Script:
    """A checked config with all that it names."""

    config: RunConfig
    personas: Sequence[Persona]
    roles: Mapping[Speaker, RoleConfig]
    """The roles that a model plays, with the model's path as found on this machine."""
    sides: Mapping[Speaker, Side]
    lines: Sequence[str] | None
    """What a replayed patient says; None where a model plays the patient."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run whose folder is open and whose engines are not started."""

    script: Script
    folder: RunDir
    progress: Progress

    def engines(self) -> frozenset[str]:
        """Keys of the engines that it needs."""
        return frozenset(engine_key(role) for role in self.script.roles.values())


def prepare(config: RunConfig, stack: ExitStack) -> Prepared:
    """Check a config and make the folder of its run, which `stack` closes.

    Raises `ConfigError`, `PersonaError`, `TranscriptError`, `StorageError`, and `EngineError` where the small model
    has to be fetched and can't be.
    """
    now = datetime.now(UTC)
    script = _script(config, now)
    settings = config.model_dump(mode="json")
    record = RunRecord(
        name=config.run.name or "run",
        status=RunStatus.RUNNING,
        started_at=now,
        config=settings,
        config_hash=config_hash(settings),
        persona_hashes=_persona_hashes(script),
        provenance=collect().model_copy(update={"models": _fingerprints(script.roles)}),
        totals=Totals(sessions=len(script.personas) * config.sessions_per_persona),
    )
    path = config.run.dir or default_path(record.name, now.astimezone())
    return Prepared(script, stack.enter_context(RunDir.create(path, record)), Progress())


def reopen(path: Path, stack: ExitStack, *, retry_failed: bool) -> Prepared:
    """The same for a run that exists, under the config that it started with.

    Raises `StorageError` where the folder can't be resumed or its personas are no longer the same.
    """
    record = read_record(path)
    script = _script(RunConfig.model_validate(record.config), record.started_at)
    refuse_changed(record, record.config, _persona_hashes(script))
    folder, progress = RunDir.open(path, retry_failed=retry_failed)
    return Prepared(script, stack.enter_context(folder), progress)


def _script(config: RunConfig, now: datetime) -> Script:
    dirs = [folder for folder in (config.persona_dir, persona_dir()) if folder]
    personas = _personas(config, dirs)
    roles: dict[Speaker, RoleConfig] = dict(config.roles())
    lines = None
    if config.patient.transcript is not None:
        lines = read_transcript(config.patient.transcript, config.patient.session).patient
        del roles[Speaker.PATIENT]
    located = {speaker: _located(role) for speaker, role in roles.items()}
    sides = _sides(located, now)
    check_fits(config, personas, sides)
    return Script(config, personas, located, sides, lines)


def _personas(config: RunConfig, dirs: Sequence[Path]) -> list[Persona]:
    """Those that are named, then those that are sampled. Raises `PersonaError`."""
    named = load_personas("all" if config.personas == ("all",) else config.personas, dirs) if config.personas else []
    seed = config.seed if config.sample_seed is None else config.sample_seed
    sampled = sample(config.sample, seed) if config.sample else []
    if twice := {persona.id for persona in named} & {persona.id for persona in sampled}:
        raise PersonaError(
            f"personas.sample: {config.sample} personas of seed {seed} include {min(twice)}, which personas names too; "
            "expected another personas.sample_seed, or other personas"
        )
    return [*named, *sampled]


def _located(role: RoleConfig) -> RoleConfig:
    """The role with its model as found on this machine; the small model is fetched where it is missing."""
    path = str(models.resolve(role.model.path))
    return role.model_copy(update={"model": role.model.model_copy(update={"path": path})})


def _sides(roles: Mapping[Speaker, RoleConfig], now: datetime) -> dict[Speaker, Side]:
    """One renderer for each tokenizer and template, one window for each engine."""
    renderers: dict[str, Renderer] = {}
    windows: dict[str, Window] = {}
    sides = {}
    for speaker, role in roles.items():
        model = role.model
        form = model.model_dump_json(include={"path", "revision", "chat_template", "template_args"})
        if form not in renderers:
            renderers[form] = make_renderer(model, now)
        window = windows.setdefault(engine_key(role), Window(_window(role)))
        sides[speaker] = Side(speaker, role, renderers[form], window)
    return sides


def make_renderer(model: ModelConfig, date: datetime) -> Renderer:
    """The renderer of a model whose path was resolved. Raises `ConfigError` where it has no tokenizer."""
    return Renderer.load(
        model.path,
        revision=model.revision,
        chat_template=model.chat_template,
        template_args=model.template_args,
        trust_remote_code=model.trust_remote_code,
        date=date,
    )


def _window(role: RoleConfig) -> int:
    if role.engine.kind == "openai":
        return role.engine.max_model_len or role.model.max_model_len or UNTOLD
    return context_window(role.engine, role.model)


def _persona_hashes(script: Script) -> dict[str, str]:
    return {persona.id: persona_hash(persona) for persona in script.personas}


def _fingerprints(roles: Mapping[Speaker, RoleConfig]) -> dict[str, ModelFingerprint]:
    """Which weights and tokenizers the roles use, where they lie on this machine."""
    found = {}
    for speaker, role in roles.items():
        path, revision = Path(role.model.path), role.model.revision
        known = path.is_dir()
        found[str(speaker)] = (
            fingerprint(path, revision) if known else ModelFingerprint(path=str(path), revision=revision, sha256=None)
        )
    return found
