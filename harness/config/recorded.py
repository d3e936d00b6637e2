"""Reads the config of an existing run in this version of the harness, and asks for consent before it runs code.

Invariants:
- A setting that is newer than the run gets its default, or the behaviour of the version that began the run. Readers
  ignore a setting that is no longer known.
- A run folder is data: code that it names runs only if the user allows it on the command line.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config.schema import RunConfig, UnfitSettings
from harness.errors import StorageError

_CODE_WORDS = ("trust_remote_code", "_cls", "_module", "module_path", "processors", "plugin", "executor_backend")
"""Parts of the names of vLLM's engine arguments that name Python code, or allow a model to bring some."""
TRUST_FLAG = "--trust-remote-code"


def read_config(settings: Mapping[str, Any], path: Path) -> tuple[RunConfig, list[str]]:
    """The config of the run in folder `path`, and the keys in it that this version does not know.

    Raises `StorageError` for an invalid value.
    """
    tree: dict[str, Any] = dict(as_it_was(settings))
    unknown: list[str] = []
    while True:
        try:
            return RunConfig.model_validate(tree), unknown
        except UnfitSettings as error:
            raise StorageError(*(f"{path / 'run.json'}: config.{key}: {why}" for key, why in error.mistakes)) from error
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_context=False)
            extra = [item["loc"] for item in mistakes if item["type"] == "extra_forbidden"]
            if len(extra) < len(mistakes):
                worst = next(item for item in mistakes if item["type"] != "extra_forbidden")
                key = ".".join(map(str, worst["loc"]))
                raise StorageError(f"{path / 'run.json'}: config.{key}: {worst['msg']}; restore the file") from error
        for location in extra:
            unknown.append(".".join(map(str, location)))
            tree = _without(tree, location)


def as_it_was(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings, with the behaviour of older versions for missing newer ones, so that a resumed run does not change:
    the guard mended both sides, and the patient's model decided on length."""
    old = dict(settings)
    for group, key, value in (("guard", "mends", "both"), ("patient", "profile", "off")):
        known = old.get(group)
        if isinstance(known, Mapping) and key not in known:
            old[group] = {**known, key: value}
    return old


def refuse_unknown(unknown: list[str], version: str, path: Path) -> None:
    """Raise `StorageError` if a resumed run would lose settings."""
    if unknown:
        written = f" of version {version}" if version else ""
        raise StorageError(
            f"{path / 'run.json'}: config.{unknown[0]}: a setting{written} that this one does not know; "
            "resume the run with the version that it was started with"
        )


def refuse_code(config: RunConfig, path: Path, trusted: bool) -> None:
    """Raise `StorageError` if using the models of a run folder would run Python code that came with them, unless
    the user said that it is `trusted`."""
    if trusted:
        return
    keys = list(_code(config))
    if keys:
        raise StorageError(
            f"{path / 'run.json'}: {keys[0]}: set, so code that comes with the model would run here; "
            f"add {TRUST_FLAG} if you trust it"
        )


def _code(config: RunConfig) -> Iterator[str]:
    for speaker, role in config.roles():
        if role.model.trust_remote_code:
            yield f"config.{speaker}.model.trust_remote_code"
        for key in _named(role.engine.args):
            yield f"config.{speaker}.engine.args.{key}"


def _named(args: object, prefix: str = "") -> Iterator[str]:
    """Keys at any depth that name code, such as `hf_overrides.trust_remote_code`."""
    if isinstance(args, Mapping):
        for key, value in args.items():
            if value and any(word in str(key) for word in _CODE_WORDS):
                yield f"{prefix}{key}"
            yield from _named(value, f"{prefix}{key}.")
    elif isinstance(args, list | tuple):
        for item in args:
            yield from _named(item, prefix)


def _without(tree: Mapping[str, Any], location: tuple[int | str, ...]) -> dict[str, Any]:
    first, *rest = location
    kept = {key: value for key, value in tree.items() if key != first or rest}
    if rest:
        kept[str(first)] = _without(tree[str(first)], tuple(rest))
    return kept
