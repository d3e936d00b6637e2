"""`run --dry-run`: checks everything about a run, or about the points of a sweep, that needs no model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, HarnessError
from harness.runs.prepare import CheckedRun, prepare
from harness.runs.resources import SharedResources


def dry_run(overrides: Sequence[str], config_dir: Path | None, *, multirun: bool) -> dict[str, Any]:
    """Check settings, personas, transcripts, model files and windows; returns what would be played.

    Nothing is written or loaded, and no server is asked. Raises a `HarnessError` with a line for every mistake.
    """
    if not multirun:
        from harness.config.compose import load_run

        return {"dry_run": True, "runs": 1, **_told(prepare(load_run(overrides, config_dir), SharedResources()))}
    from harness.sweeps.expand import Point, expand, named

    points: dict[str, Point] = {point.folder: point for point in expand(overrides, config_dir)}
    resources, told = SharedResources(), []
    mistakes: dict[str, list[tuple[str, ...]]] = {}
    for folder, point in points.items():
        try:
            told.append({"folder": folder, **_told(prepare(point.config, resources))})
        except HarnessError as error:
            for line in error.lines:
                mistakes.setdefault(line, []).append(point.overrides)
    if mistakes:
        combinations = [point.overrides for point in points.values()]
        raise ConfigError(*(named(line, where, combinations) for line, where in mistakes.items()))
    sums = {key: sum(point[key] for point in told) for key in ("sessions", "most_turns")}
    return {"dry_run": True, "runs": len(told), **sums, "points": told}


def _told(run: CheckedRun) -> dict[str, Any]:
    """The sessions that a run would play, and its models."""
    config = run.spec.config
    return {
        "sessions": run.spec.sessions,
        "most_turns": 2 * run.spec.sessions * config.max_exchanges,
        "personas": [persona.id for persona in run.spec.personas],
        "roles": {
            str(speaker): {
                "engine": role.engine.kind,
                "model": role.engine.model or role.model.name,
                "max_model_len": run.spec.role_contexts[speaker].window.max_model_len,
                "max_new_tokens": role.max_new_tokens,
            }
            for speaker, role in run.spec.roles.items()
        },
    }


def lines(told: dict[str, Any]) -> list[str]:
    """The result of `dry_run` as lines of text."""
    runs = f"{told['runs']} points, " if "points" in told else ""
    found = [f"checked, nothing played: {runs}{told['sessions']} sessions, at most {told['most_turns']} turns"]
    for speaker, role in told.get("roles", {}).items():
        window = f"window {role['max_model_len']}, answers up to {role['max_new_tokens']} tokens"
        found.append(f"{speaker}: {role['model']} on {role['engine']}, {window}")
    return found
