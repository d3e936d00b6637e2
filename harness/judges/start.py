"""Makes a judge from settings: engine, renderer, window, fingerprint, and number of requests at once."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.config.judging import JudgingConfig
from harness.config.schema import JudgeConfig, ModelConfig, RoleConfig
from harness.context.budget import Window
from harness.context.render.load import load_renderer
from harness.context.render.renderer import Renderer
from harness.engines.base import Engine, EngineInfo
from harness.engines.pool import build, engine_key
from harness.engines.window import context_window
from harness.errors import ConfigError
from harness.judges import prompt
from harness.judges.asking import Judge
from harness.judges.judgements import Judgements
from harness.judges.rubric import Rubric
from harness.models import fetch
from harness.models.adapter import read_adapter
from harness.reading.files import read_bytes
from harness.store.provenance import ModelFingerprint, fingerprint

DATE = datetime(2000, 1, 1)
"""The date for templates that print one. It is fixed, so that prompts, and thus the cache, are the same every day."""
MOST_AT_ONCE = 256
_UNKNOWN_WINDOW = 1 << 20
"""Assumed for a server, which reports its window only when it is reached."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifies a judge."""

    name: str
    fingerprint: str
    """SHA-256 over the model's content, its template, the sampling and the text of the prompts."""
    model: ModelFingerprint


@dataclass(frozen=True, slots=True)
class Prepared:
    """A judge whose settings are checked and whose engine is not started."""

    config: JudgingConfig
    role: JudgeConfig
    rubrics: tuple[Rubric, ...]
    renderer: Renderer
    window: Window
    identity: Identity


def prepare(config: JudgingConfig, rubrics: Sequence[Rubric]) -> Prepared:
    """Check everything that can be checked without loading a model. Raises `ConfigError`."""
    model = config.judge.model
    path = str(fetch.resolve(model.path, key="judge.model.path"))
    found = {"path": path}
    role = config.judge.model_copy(update={"model": model.model_copy(update=found)})
    if role.engine.kind == "scripted" and config.rubric_dir is not None:
        options = {"rubric_dir": str(config.rubric_dir.resolve()), **role.engine.options}
        role = role.model_copy(update={"engine": role.engine.model_copy(update={"options": options})})
    renderer = load_renderer(role.model, DATE)
    limit = (
        role.engine.max_model_len or role.model.max_model_len or _UNKNOWN_WINDOW
        if role.engine.kind == "openai"
        else context_window(role.engine, role.model)
    )
    if role.max_new_tokens >= limit:
        raise ConfigError(
            f"judge.max_new_tokens: {role.max_new_tokens} leaves no room for a prompt in max_model_len={limit}"
        )
    build(role.engine, role.model)  # not started, but refuses impossible settings
    identity = identify(role, _fingerprint(role.model))
    return Prepared(config, role, tuple(rubrics), renderer, Window(limit), identity)


def _fingerprint(model: ModelConfig) -> ModelFingerprint:
    path = Path(model.path)
    if path.is_dir():
        return fingerprint(path, model.revision)
    return ModelFingerprint(path=model.path, revision=model.revision, sha256=None)


def identify(role: JudgeConfig, model: ModelFingerprint) -> Identity:
    """Name and fingerprint of a judge. For a model on a server, its name there stands for its content."""
    settings = {
        "model": [role.engine.model, model.revision] if role.engine.kind == "openai" else model.sha256 or model.path,
        "engine": [role.engine.kind, role.engine.options] if role.engine.kind in ("scripted", "dry") else "model",
        "adapter": _adapter(role.model),
        "template": [_template(role.model), role.model.template_args],
        "sampling": role.sampling.model_dump(mode="json"),
        "max_new_tokens": role.max_new_tokens,
        "prompt": [prompt.PROMPT_VERSION, prompt.SYSTEM, prompt.READ],
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    model_name = (role.engine.model or role.model.name) if role.engine.kind == "openai" else role.model.name
    shown = "scripted" if role.engine.kind == "scripted" else model_name
    return Identity(role.name or f"{shown}-{digest[:8]}", digest, model)


def _adapter(model: ModelConfig) -> str:
    """By its content, as the model."""
    if model.adapter is None:
        return "None"
    read_adapter(folder := model.adapter.expanduser())
    return str(fingerprint(folder).sha256)


def _template(model: ModelConfig) -> str:
    """The hash of the template's content."""
    return (
        "None"
        if model.chat_template is None
        else hashlib.sha256(read_bytes(model.chat_template.expanduser())).hexdigest()
    )


def make(prepared: Prepared, judgements: Judgements, engine: Engine | None, info: EngineInfo | None) -> Judge:
    """A judge on a running engine. Without an engine it only uses recorded answers."""
    window = prepared.window
    limit = MOST_AT_ONCE
    if info is not None:
        window.max_model_len = min(window.max_model_len, info.max_model_len)
        if not info.counts_as_we_do:
            window.estimate()
        limit = at_once(prepared, info)
    return Judge(
        prepared.identity.name,
        prepared.identity.fingerprint,
        judgements,
        engine=engine,
        renderer=prepared.renderer,
        window=window,
        sampling=prepared.role.sampling.sampling(),
        max_new_tokens=prepared.role.max_new_tokens,
        limit=limit,
        adapter=str(prepared.role.model.adapter) if prepared.role.model.adapter else None,
    )


def at_once(prepared: Prepared, info: EngineInfo) -> int:
    """The number of requests in flight: as configured, or as many as fit into the engine's cache with two transcripts."""
    asked = prepared.config.concurrency
    if asked != "auto":
        return asked
    if info.kv_cache_tokens is not None:
        own = prepared.role.max_new_tokens + 2 * (info.cache_block_tokens or 1)
        return max(1, min(MOST_AT_ONCE, (info.kv_cache_tokens - 2 * prepared.window.max_model_len) // own))
    if info.kind == "transformers":
        return prepared.role.engine.max_batch
    return MOST_AT_ONCE if info.kind in ("dry", "scripted") else 32


def same_model(prepared: Prepared, roles: Sequence[tuple[str, RoleConfig]]) -> list[str]:
    """A warning for each speaker with the judge's model, or one of its family: the judge may favour it."""
    own = prepared.role
    found: list[str] = []
    if own.engine.kind in ("scripted", "dry"):
        return found
    for name, role in roles:
        family = _family(role.model.name) == _family(own.model.name)
        if engine_key(role) == engine_key(own) or role.model.path == own.model.path:
            found.append(f"the judge has the same model as the {name}; it may favour its own text")
        elif family:
            found.append(
                f"the judge's model is of the same family as the {name}'s ({_family(own.model.name)}); it may favour it"
            )
    return found


def _family(name: str) -> str:
    """The first word of a model's name: `llama` for Llama-3.1-8B-Instruct."""
    word = name.lower().replace("_", "-").split("-")[0]
    return word.rstrip("0123456789.")
