"""Changes settings of a run's resolved config when the run is resumed."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from harness.config.contradictions import contradictions, server_mistakes
from harness.config.effect import without_effect
from harness.config.messages import of_changed
from harness.config.plugins import load_plugins
from harness.config.recorded import as_it_was
from harness.config.schema import RunConfig
from harness.errors import ConfigError, did_you_mean

_OF_BOTH_ROLES = ("engine.", "model.")
_FREE_KEYS = re.compile(r"\.(engine\.args|model\.template_args)\.[^.]+$")
_NOT_AGAIN = {
    "run.dir": "a run is resumed in its own folder; move the folder itself, or remove this",
    "on_failure": "set, but a single run has no others to continue with; remove it",
}
"""Settings that have no effect on a run that has begun."""


def changed(settings: Mapping[str, Any], overrides: Sequence[str]) -> RunConfig:
    """The config `settings` with each KEY=VALUE of `overrides`; `engine.KEY` and `model.KEY` apply to both roles.

    Raises `ConfigError` with a line for every unknown key and for every bad value.
    """
    tree = RunConfig.model_validate(as_it_was(settings)).model_dump(mode="json")
    _load_plugins(tree["plugins"], overrides)
    known = sorted(_leaves(tree))
    lines = []
    for override in overrides:
        key, given, text = override.partition("=")
        keys = [f"{role}.{key}" for role in ("patient", "therapist")] if key.startswith(_OF_BOTH_ROLES) else [key]
        value, mistake = _parsed(key, text)
        if not given:
            lines.append(f"command line: {override!r} is not a setting; expected KEY=VALUE")
        elif mistake:
            lines.append(mistake)
        elif key in _NOT_AGAIN:
            lines.append(f"command line: {key}: {_NOT_AGAIN[key]}")
        elif not all(name in known or _FREE_KEYS.search(name) for name in keys):
            lines.append(f"command line: {key}: not a setting of this run{did_you_mean(keys[0], known)}")
        else:
            for name in keys:
                _set(tree, name, value)
    if lines:
        raise ConfigError(*lines)
    try:
        config = RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(*of_changed(error, tree)) from error
    server = [line for _, role in config.roles() for line in server_mistakes(role.engine)]
    if mistakes := (*server, *contradictions(config), *without_effect(config, overrides).values()):
        raise ConfigError(*dict.fromkeys(mistakes))
    return config


def _parsed(key: str, value: str) -> tuple[object, str | None]:
    """The value of a YAML text and None, or None and the line of its mistake."""
    try:
        return yaml.safe_load(value), None
    except (yaml.YAMLError, ValueError):
        return None, f"command line: {key}: {value!r} is not a value; quote a value with special characters"


def _load_plugins(recorded: Sequence[str], overrides: Sequence[str]) -> None:
    """Import only the plug-ins that the user names, since a run folder may come from somebody else.

    Raises `ConfigError` if the run needs one that is neither named nor imported already.
    """
    parsed = [
        _parsed("plugins", override.partition("=")[2]) for override in overrides if override.startswith("plugins=")
    ]
    if mistakes := [mistake for _, mistake in parsed if mistake]:
        raise ConfigError(*mistakes)
    named = parsed[-1][0] if parsed else []
    if not isinstance(named, str | list | None):
        raise ConfigError(f"command line: plugins: found {named!r}, expected a module's name or a list of them")
    load_plugins([named] if isinstance(named, str) else list(map(str, named or [])))
    missing = [module for module in recorded if module not in sys.modules]
    if missing:
        raise ConfigError(
            f"plugins: the run was started with {', '.join(missing)}, which is imported only if you ask for it; "
            f"add plugins=[{','.join(recorded)}]"
        )


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Dotted keys of all settings that are not groups of settings."""
    found: set[str] = set()
    for key, value in tree.items():
        found |= _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key}
    return found


def _set(tree: dict[str, Any], key: str, value: object) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        tree = tree[parent]
    tree[last] = value
