"""What a role takes from the run (engine and model) and from its model's preset (sampling)."""

from collections.abc import Mapping
from typing import Any

from harness.config.auto import AUTO, resolve_adapter, resolve_kind
from harness.config.messages import JUDGE, ROLES

INHERIT = "inherit"
"""A value in a role's sampling that stands for the value in its model's preset."""


def inherit(tree: Mapping[str, Any], sampling_asked_for: frozenset[str]) -> dict[str, Any]:
    """Fill a role's null values from the run's engine and model, and `inherit` in its sampling from its model.

    A server gets the model's sampling only for the roles `sampling_asked_for`; otherwise its own defaults apply.
    """
    resolved = {key: value for key, value in tree.items() if key not in ("engine", "model")}
    for name in (*ROLES, JUDGE):
        role = tree.get(name)
        if isinstance(role, Mapping):
            asked = name in sampling_asked_for
            resolved[name] = resolved_role(name, role, tree.get("engine"), tree.get("model"), asked)
    return resolved


def resolved_role(
    name: str, role: Mapping[str, Any], run_engine: object, run_model: object, asked: bool
) -> dict[str, Any]:
    """The role `name` with its null values taken from the run, and its sampling from its model.

    `asked` says whether the user asked for the model's sampling; if not, a server gets none of it.
    """
    model = _filled(run_model, role.get("model"))
    engine = _filled(run_engine, role.get("engine"))
    preset = model.pop("sampling", None) if isinstance(model, dict) else None
    if isinstance(engine, dict) and engine.get("kind") == "auto":
        engine |= {"kind": resolve_kind("auto"), "chosen_by_auto": True}
    if isinstance(model, dict) and isinstance(engine, dict) and model.get("adapter") == AUTO:
        model["adapter"] = resolve_adapter(name, model.get("path"), engine.get("kind"))
    if isinstance(engine, dict) and engine.get("kind") == "openai" and not asked:
        preset = None
    return {**role, "model": model, "engine": engine, "sampling": _sampling(preset, role.get("sampling"))}


def _sampling(preset: object, own: object) -> Any:
    """A role's sampling: `inherit` takes the preset's value, and null is the engine's own default."""
    if own is not None and not isinstance(own, Mapping):
        return own  # the check refuses it
    known = preset if isinstance(preset, Mapping) else {}
    asked = {**dict.fromkeys(known, INHERIT), **own} if isinstance(own, Mapping) else dict(known)
    found = {key: known.get(key) if value == INHERIT else value for key, value in asked.items()}
    return {key: value for key, value in found.items() if key != "stop" or value is not None}


def _filled(base: object, own: object) -> Any:
    """`own` with its null values filled from `base`. The check refuses a value that is not a group of settings."""
    if own is not None and not isinstance(own, Mapping):
        return own
    merged = dict(base) if isinstance(base, Mapping) else {}
    if isinstance(own, Mapping):
        merged |= {key: value for key, value in own.items() if value is not None or key not in merged}
    return merged
