"""Resources that the runs of one process share, each loaded once: a sweep of a thousand points reads one tokenizer.

Invariant: nothing here depends on a run; a run gets what it would have loaded alone.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from harness.config.plugins import folders
from harness.config.schema import ModelConfig, RunConfig
from harness.context.render.load import load_renderer
from harness.context.render.renderer import Renderer
from harness.errors import PersonaError
from harness.models.adapter import read_adapter
from harness.paths import persona_dir
from harness.personas.library import load as load_personas
from harness.personas.sampler import sample
from harness.personas.schema import Persona
from harness.store.provenance import ModelFingerprint, Provenance, collect, fingerprint


class SharedResources:
    """Personas, renderers, provenance and model fingerprints."""

    def __init__(self) -> None:
        self._personas: dict[tuple[tuple[str, ...], Path | None, int, int], Sequence[Persona]] = {}
        self._renderers: dict[tuple[str, str], Renderer] = {}
        self._fingerprints: dict[tuple[str, str | None], ModelFingerprint] = {}

    def personas(self, config: RunConfig) -> Sequence[Persona]:
        """The personas that a config names, followed by those that it samples. Raises `PersonaError`."""
        seed = config.seed if config.sample_seed is None else config.sample_seed
        key = (config.personas, config.persona_dir, config.sample, seed if config.sample else 0)
        if key not in self._personas:
            self._personas[key] = _personas(config, seed)
        return self._personas[key]

    def renderer(self, model: ModelConfig, date: datetime) -> Renderer:
        """The renderer of a model whose path was resolved. Raises `ConfigError` if it has no tokenizer.

        Only the day of `date` matters.
        """
        form = model.model_dump_json(include={"path", "revision", "chat_template", "template_args", "stand_in"})
        key = (form, f"{date:%Y-%m-%d}")
        if key not in self._renderers:
            self._renderers[key] = load_renderer(model, date)
        return self._renderers[key]

    @cached_property
    def provenance(self) -> Provenance:
        """The provenance of this machine and checkout, without models."""
        return collect()

    def fingerprint(self, model: ModelConfig) -> ModelFingerprint:
        """Identifies the weights and the tokenizer of a located model by its files, or by its commit on the hub."""
        return self._fingerprint(model.path, model.revision)

    def adapter(self, folder: Path) -> ModelFingerprint:
        """Identifies the weights of a LoRA adapter. Raises `ConfigError` if the folder holds none."""
        read_adapter(folder.expanduser())
        return self._fingerprint(str(folder.expanduser()), None)

    def _fingerprint(self, name: str, revision: str | None) -> ModelFingerprint:
        key = (name, revision)
        if key not in self._fingerprints:
            path = Path(name)
            self._fingerprints[key] = (
                fingerprint(path, revision)
                if path.is_dir()
                else ModelFingerprint(path=name, revision=revision, sha256=None)
            )
        return self._fingerprints[key]


def _personas(config: RunConfig, seed: int) -> list[Persona]:
    dirs = persona_folders(config.persona_dir)
    named = load_personas("all" if config.personas == ("all",) else config.personas, dirs) if config.personas else []
    sampled = sample(config.sample, seed) if config.sample else []
    if twice := {persona.id for persona in named} & {persona.id for persona in sampled}:
        raise PersonaError(
            f"personas.sample: {config.sample} personas of seed {seed} include {min(twice)}, which is also in personas; "
            "expected another personas.sample_seed, or other personas"
        )
    return [*named, *sampled]


def persona_folders(own: Path | None) -> list[Path]:
    """The folders with personas, in search order: the user's folder, the library, the folders of plug-ins."""
    plugged = [folder / "personas" for folder in folders()]
    return [*([own] if own else []), persona_dir(), *(folder for folder in plugged if folder.is_dir())]
