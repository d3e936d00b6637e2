"""Finds settings that were given but would have no effect, so that none is silently ignored.

A config file is a preset and may set more than a run uses; a setting on the command line is deliberate. A value that
equals the default is not a mistake.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel

from harness.config.guard import GuardConfig
from harness.config.schema import (
    ContextConfig,
    CourseConfig,
    EngineConfig,
    ModelConfig,
    PatientConfig,
    RoleConfig,
    RunConfig,
    SamplingConfig,
)
from harness.types import Speaker

_KINDS = {
    "args": ("vllm",),
    "max_restarts": ("vllm",),
    "max_batch": ("transformers",),
    "base_url": ("openai",),
    "extra_body": ("openai",),
    "model": ("openai", "callable"),
    "api_key_env": ("openai",),
    "request_timeout_s": ("openai",),
    "outage_s": ("openai",),
    "latency_s": ("dry",),
}
"""The kinds of engines that use a setting, by setting."""
_OURS = ("vllm", "openai", "transformers", "dry", "callable")
"""The harness's own engines; one of a plug-in may use any setting."""
_OF_ACTOR = ("prompt", "max_new_tokens", "state", "self_check", "model", "engine", "sampling", "name")
_OF_LOOPS = ("window", "loop_turns", "question_turns", "opening_turns", "similarity")
_ACTIONS = tuple(
    name for name, field in GuardConfig.model_fields.items() if field.default in ("retry", "record", "nudge")
)
_GROUPS: dict[str, type[BaseModel]] = {
    "guard": GuardConfig,
    "context": ContextConfig,
    "course": CourseConfig,
    "engine": EngineConfig,
    "model": ModelConfig,
    "sampling": SamplingConfig,
    "patient": PatientConfig,
    "therapist": RoleConfig,
}


@dataclass(frozen=True, slots=True)
class Given:
    """One KEY=VALUE of a command line."""

    key: str
    value: object

    @classmethod
    def of(cls, override: str) -> "Given":
        """From an override in Hydra's syntax, in which a choice for a role is written with an @."""
        key, _, text = override.lstrip("+~").partition("=")
        key = key.partition("@")[2] or key
        try:
            return cls(key, yaml.safe_load(text))
        except yaml.YAMLError:
            return cls(key, text)


def without_effect(config: RunConfig, overrides: Sequence[str]) -> dict[str, str]:
    """The keys among `overrides` that have no effect under `config`, each with its line for the user."""
    found: dict[str, str] = {}
    for given in map(Given.of, overrides):
        why = next((reason(config, given.key) for reason in _REASONS if reason(config, given.key)), None)
        if why is not None and given.value != _default(given.key):
            found[given.key] = f"command line: {given.key}: set, but {why}"
    return found


def only_for_sweeps(overrides: Sequence[str]) -> Iterator[str]:
    """Lines for settings that have an effect only with -m."""
    for given in map(Given.of, overrides):
        if given.key.startswith(("hydra.", "hydra/")):
            yield f"command line: {given.key}: set, but only a sweep uses it; add -m, or remove it"
        elif given.key == "on_failure" and given.value != "continue":
            yield "command line: on_failure: set, but only a sweep has other runs to continue with; add -m, or remove it"


def _default(key: str) -> object:
    *parents, last = key.split(".")
    for parent in reversed(parents):
        if parent in _GROUPS:
            field = _GROUPS[parent].model_fields.get(last)
            return None if field is None else field.get_default(call_default_factory=True)
    return None


def _personas(config: RunConfig, key: str) -> str | None:
    if key == "sample_seed" and not config.sample:
        return "no personas are sampled; also give personas.sample=N"
    if key == "persona_dir" and not config.personas:
        return "personas names none to look up in it; name some, or remove it"
    return None


def _course(config: RunConfig, key: str) -> str | None:
    if key.startswith("course.note") and config.course.sessions == 1:
        return "course.sessions=1 hands nothing over; expected course.sessions of at least 2"
    return None


def _patient(config: RunConfig, key: str) -> str | None:
    group, _, rest = key.partition(".")
    if group != "patient":
        return None
    if config.patient.kind == "replay" and rest.partition(".")[0] in _OF_ACTOR:
        return "patient=replay speaks recorded lines, without a model; choose patient=simulated, or remove it"
    if config.patient.kind == "simulated" and rest == "session":
        return "patient=simulated speaks for itself; choose patient=replay"
    return None


def _context(config: RunConfig, key: str) -> str | None:
    policy = config.context.policy
    writes = policy not in ("truncate", "none")  # a plug-in's policy may write notes
    hands_over = config.course.sessions > 1 and config.course.note == "model"
    if key == "context.low_water" and policy == "none":
        return "context=none never leaves anything out; choose another policy"
    if (key == "context.note_tokens" and not writes) or (key == "context.summarizer" and not writes and not hands_over):
        return f"context={policy} writes no note; choose summarize or hybrid"
    return None


def _guard(config: RunConfig, key: str) -> str | None:
    guard, (group, _, name) = config.guard, key.partition(".")
    if group != "guard" or name in ("", "enabled"):
        return None
    if not guard.enabled:
        return "the guard is off (guard.enabled=false); remove one of the two"
    needs = {
        **dict.fromkeys(_OF_LOOPS, ("loop", "stuck")),
        "repeat_share": ("repeat", "stuck"),
        "stutter_share": ("stutter",),
        "echo_share": ("echo",),
    }
    if name in needs and all(getattr(guard, kind) == "off" for kind in needs[name]):
        return f"guard.{needs[name][0]}=off does not detect it; choose another action"
    if name == "nudge_pause" and not {getattr(guard, action) for action in _ACTIONS} & {"nudge", "retry"}:
        return "the guard gives no directions; choose nudge as an action"
    return None


def _engine(config: RunConfig, key: str) -> str | None:
    roles = _meant(config, key, "engine")
    kinds = _KINDS.get(key.partition("engine.")[2].partition(".")[0], ())
    if not roles or not kinds or any(role.engine.kind in kinds or role.engine.kind not in _OURS for role in roles):
        return None
    return f"engine={roles[0].engine.kind} does not use it; only engine={' and '.join(kinds)} does"


def _model(config: RunConfig, key: str) -> str | None:
    roles = _meant(config, key, "model")
    if key.endswith("model.revision") and roles and all(_is_local(role.model.path) for role in roles):
        return f"{roles[0].model.path} is not a hub id, and only the hub has revisions; remove it"
    if key.endswith("model.dtype") and roles and all(role.engine.kind == "openai" for role in roles):
        return "engine=openai leaves that to its server; remove it"
    return None


def _greedy(config: RunConfig, key: str) -> str | None:
    roles = _meant(config, key, "sampling") or _meant(config, key, "model")
    narrowed = key.endswith(("sampling.top_p", "sampling.top_k", "sampling.min_p"))
    greedy = all(r.sampling.temperature == 0 and r.engine.kind in ("vllm", "transformers") for r in roles)
    if narrowed and roles and greedy:
        return "temperature=0 always takes the likeliest token; remove one of the two"
    return None


def _meant(config: RunConfig, key: str, group: str) -> list[RoleConfig]:
    """The roles that a model plays and to which `engine.KEY`, or `patient.engine.KEY`, applies."""
    played = {
        str(s): role for s, role in config.roles() if s is Speaker.THERAPIST or config.patient.kind == "simulated"
    }
    if key.startswith(f"{group}."):
        return list(played.values())
    return [role for name, role in played.items() if key.startswith(f"{name}.{group}.")]


def _is_local(path: str) -> bool:
    return not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", path) or Path(path).expanduser().is_dir()


_REASONS: tuple[Callable[[RunConfig, str], str | None], ...] = (
    *(_personas, _course, _patient, _context, _guard, _engine, _model, _greedy),
)
"""Each function returns why a key has no effect under a config, or None."""
