"""Content hashes of the files that a config names (prompts, templates, transcripts, adapters, models), and of the
harness's own data for playing patients.

Invariant: two configs with the same settings and the same hashes are the same experiment, wherever the files are.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, TemplateError, meta

from harness.agents import cues, directions, english
from harness.agents.prompt import localized
from harness.config.schema import ModelConfig, RoleConfig, RunConfig
from harness.errors import ConfigError
from harness.hearing.model import WEIGHTS
from harness.models.located import COMMIT
from harness.paths import prompt_dir
from harness.reading.files import opened, read_bytes
from harness.store.provenance import ModelFingerprint
from harness.types import Speaker

MOST_TEMPLATE = 1 << 20
"""Bytes of a prompt or chat template; the longest in use have a tenth of this."""
MOST_TRANSCRIPT = 1 << 28
MOST_DATA = 1 << 26


def content_hashes(
    config: RunConfig, roles: Mapping[Speaker, RoleConfig], models: Mapping[str, str], languages: Collection[str]
) -> dict[str, str]:
    """Hashes by setting: SHA-256 of the file that it names with all included files, and `models` (from `model_hashes`).

    `roles` are those that a model plays, `languages` the codes of the patients' languages. Raises `ConfigError` for a file
    that is missing, too large or not a file.
    """
    codes = sorted({language.split("-")[0] for language in languages})
    hashes = dict(models)
    for speaker, role in roles.items():
        if role.prompt is not None:
            hashes[f"{speaker}.prompt"] = _template(role.prompt, f"{speaker}.prompt")
    if config.patient.transcript is not None:
        hashes["patient.transcript"] = _file(config.patient.transcript, "patient.transcript", MOST_TRANSCRIPT)
    for name in sorted({*_templates(config), *_localized(config, codes)}):
        hashes[f"template.{name}"] = _template(f"{name}.jinja", f"template {name}")
    for key, path in _data(config, codes):
        hashes[key] = _file(path, key, MOST_DATA)
    return hashes


def model_hashes(
    speaker: Speaker, model: ModelConfig, files: ModelFingerprint, adapter: ModelFingerprint | None
) -> dict[str, str]:
    """Hashes of a model: the fingerprint of its folder or its hub commit, its adapter's fingerprint, and its chat template."""
    hashes: dict[str, str] = {}
    if files.sha256 is not None:
        hashes[f"{speaker}.model"] = files.sha256
    elif files.revision is not None and COMMIT.fullmatch(files.revision):
        hashes[f"{speaker}.model"] = f"commit:{files.revision}"
    if adapter is not None and adapter.sha256 is not None:
        hashes[f"{speaker}.model.adapter"] = adapter.sha256
    if model.chat_template is not None:
        key = f"{speaker}.model.chat_template"
        hashes[key] = _file(model.chat_template, key, MOST_TEMPLATE)
    return hashes


def _templates(config: RunConfig) -> Iterator[str]:
    """The harness's own templates that a run uses besides the speakers' prompts."""
    if config.patient.kind == "simulated":
        yield "opening"
        if config.patient.state == "model":
            yield "appraisal"
        if config.patient.self_check == "model":
            yield "self_check"
    if config.context.policy in ("summarize", "hybrid"):
        yield "summary"
    if config.course.sessions > 1:
        yield from ("patient_memory", "therapist_memory")
        if config.course.note == "model":
            yield "handover"


def _localized(config: RunConfig, codes: Sequence[str]) -> Iterator[str]:
    """The templates that replace the English ones for patients of other languages."""
    if config.patient.kind == "simulated":
        for name in (config.patient.prompt or "patient.jinja", "opening.jinja"):
            for code in codes:
                if (own := localized(name, code)) != name:
                    yield own.removesuffix(".jinja")


def _data(config: RunConfig, codes: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The harness's data files, besides templates, that can change a dialogue."""
    yield "data.hearing", WEIGHTS  # the guard and the metrics use it, too
    if config.patient.kind != "simulated":
        return
    if codes != ["en"]:
        yield "data.manner", prompt_dir() / "manner.yaml"
    if config.patient.state == "off":
        return
    yield "data.english", english.FILE
    for code in codes:
        yield f"data.directions.{code}", directions.path(code)
    for code in cues.languages():  # a patient also notices languages other than its own
        yield f"data.cues.{code}", cues.path(code)


def _template(name: str, key: str) -> str:
    """The hash of a prompt template and of all that it includes."""
    path = Path(name)
    folders = [path.parent, prompt_dir()] if path.is_absolute() else [prompt_dir()]
    found: dict[str, str] = {}
    waiting = [path.name if path.is_absolute() else name]
    while waiting:
        part = waiting.pop()
        if part in found:
            continue
        folder = next((folder for folder in folders if (folder / part).exists()), folders[0])
        found[part] = text = template_text(folder / part, key)
        try:
            names = meta.find_referenced_templates(Environment().parse(text))  # parsed only, not rendered
        except (TemplateError, RecursionError):
            names = iter(())  # rendering reports what is wrong
        waiting += [other for other in names if other is not None and not Path(other).is_absolute()]
    if len(found) == 1:
        return _digest(*found.values())
    return _digest(*(f"{part}\n{text}" for part, text in sorted(found.items())))


def template_text(path: Path, key: str) -> str:
    """A template's text. Raises `ConfigError`, which names the setting `key`."""
    try:
        return read_bytes(path, MOST_TEMPLATE).decode()
    except FileNotFoundError as error:
        raise ConfigError(f"{key}: no file {path}; expected a template") from error
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror or error}; expected a template") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path}: byte {error.start} is not UTF-8; expected a template") from error


def _file(path: Path, key: str, most: int) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        with opened(path.expanduser()) as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
                if size > most:
                    raise ConfigError(f"{key}: {path} is larger than {most} bytes; expected less")
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror or error}; expected a file that can be read") from error
    return digest.hexdigest()


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
