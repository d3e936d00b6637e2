"""The config of a run that exists, as this version of the harness reads it, and what of it needs the user's word.

Invariants:
- A setting that is newer than the run has its default, or what the version that began the run did without it; one that
  is no longer known is left out by who only reads.
- A run folder is data: what in it would run somebody's code runs only where the user says so on the command line.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config.schema import RunConfig, UnfitSettings
from harness.errors import StorageError

_CODE_WORDS = ("trust_remote_code", "_cls", "_module", "module_path", "processors", "plugin", "executor_backend")
"""Parts of the names of vLLM's engine arguments that name Python code, or let a model bring it."""
TRUST_FLAG = "--trust-remote-code"


def read_config(settings: Mapping[str, Any], path: Path) -> tuple[RunConfig, list[str]]:
    """The config of the run in folder `path`, and the keys in it that this version does not know.

    Raises `StorageError` for a value that can't be.
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
                raise StorageError(f"{path / 'run.json'}: config.{key}: {worst['msg']}; bring back the file") from error
        for location in extra:
            unknown.append(".".join(map(str, location)))
            tree = _without(tree, location)


def as_it_was(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings with what older versions did where a newer setting is missing: the guard mended both sides, and
    length was left to the patient's model. A resumed run stays one run."""
    old = dict(settings)
    for group, key, value in (("guard", "mends", "both"), ("patient", "profile", "off")):
        known = old.get(group)
        if isinstance(known, Mapping) and key not in known:
            old[group] = {**known, key: value}
    return old


def refuse_unknown(unknown: list[str], version: str, path: Path) -> None:
    """Raise `StorageError` where a run that goes on would lose settings."""
    if unknown:
        written = f" of version {version}" if version else ""
        raise StorageError(
            f"{path / 'run.json'}: config.{unknown[0]}: a setting{written} that this one does not know; "
            "resume the run with the version that it was started with"
        )


def refuse_code(config: RunConfig, path: Path, trusted: bool) -> None:
    """Raise `StorageError` where using the models of a run folder would run Python code that came with them, unless
    the user said that it is `trusted`."""
    if trusted:
        return
    keys = list(_code(config))
    if keys:
        raise StorageError(
            f"{path / 'run.json'}: {keys[0]}: set, so code that comes with the model would run here; "
            f"add {TRUST_FLAG} where you trust it"
        )


def _code(config: RunConfig) -> Iterator[str]:
    for speaker, role in config.roles():
        if role.model.trust_remote_code:
            yield f"config.{speaker}.model.trust_remote_code"
        for key in _named(role.engine.args):
            yield f"config.{speaker}.engine.args.{key}"


def _named(args: object, prefix: str = "") -> Iterator[str]:
    """Keys at any depth that name code, as `hf_overrides.trust_remote_code`."""
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
