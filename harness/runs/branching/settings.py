"""The settings of branches: those of the parent run, with some changed.

Invariant: a setting that is not given on the command line is the same as in the parent run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.config.compose import check, compose
from harness.config.schema import RunConfig
from harness.errors import ConfigError

_PLAN = ("personas", "sample", "sample_seed", "sessions_per_persona", "seed", "course", "persona_dir", "patient.kind")
"""Settings that decide which sessions are played; for branches, the parent sessions decide."""
_ROLES = ("patient", "therapist")
_BOTH = ("engine", "model", "sampling")
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "therapist": ("therapist.name", "therapist.prompt", "therapist.session_plan"),
    "context": ("context",),
    "guard": ("guard",),
    "executor": ("executor",),
    **{f"{role}.engine": (f"{role}.engine",) for role in _ROLES},
    **{f"{role}.model": (f"{role}.model", f"{role}.sampling") for role in _ROLES},
    "engine": tuple(f"{role}.engine" for role in _ROLES),
    "model": tuple(f"{role}.{part}" for role in _ROLES for part in ("model", "sampling")),
}
"""The parts of a resolved config that a choice from a config group sets, by group."""


def branch_config(recorded: RunConfig, overrides: Sequence[str]) -> RunConfig:
    """A recorded config with overrides as for `harness run`: groups (`therapist=mi`) and single settings.

    Raises `ConfigError`.
    """
    run = recorded.run.model_copy(update={"name": "branch", "dir": None})
    tree = recorded.model_copy(update={"run": run}).model_dump(mode="json")
    if not overrides:
        return RunConfig.model_validate(tree)
    for override in overrides:
        key = override.partition("=")[0]
        if key == "patient" or any(key == name or key.startswith(f"{name}.") for name in _PLAN):
            raise ConfigError(
                f"command line: {key}: the run, its session ids and --turn decide which sessions continue; "
                "expected settings of how they continue"
            )
    composed = check(compose(overrides)).model_dump(mode="json")
    for override in overrides:
        for path in _paths(override.partition("=")[0].lstrip("+")):
            _copy(composed, tree, path.split("."), override)
    return RunConfig.model_validate(tree)


def _paths(key: str) -> tuple[str, ...]:
    """The parts of a resolved config that an override sets."""
    if key in _GROUPS:
        return _GROUPS[key]
    first = key.partition(".")[0]
    return tuple(f"{role}.{key}" for role in _ROLES) if first in _BOTH else (key,)


def _copy(source: Mapping[str, Any], target: dict[str, Any], path: Sequence[str], override: str) -> None:
    *parents, last = path
    for parent in parents:
        source, target = source[parent], target.setdefault(parent, {})
    if last not in source:
        raise ConfigError(f"command line: {override}: not a setting that branches can change")
    target[last] = source[last]
