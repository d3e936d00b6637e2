"""The engines of a run: each is started once, shared by roles with the same settings, and closed at the end.

Invariants:
- Roles with the same engine and model settings share one engine. Adapters do not count: the base model serves them.
- Settings that can be refused without loading a model are refused before any engine starts.
- Every engine that was started is closed at the end, also after an error or a cancellation.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ValidationError

from harness.config.auto import resolve_kind
from harness.config.plugins import ENGINES
from harness.config.schema import EngineConfig, ModelConfig, RoleConfig
from harness.engines.base import OWN_KEYS, Engine, EngineInfo, EngineSetup, EngineType
from harness.engines.completion import completed
from harness.engines.events import Listener, ignore
from harness.engines.plugged import PluggedEngine
from harness.errors import ConfigError, did_you_mean

_MOST_GPU_SHARE = 0.95
"""Share of the GPU's memory for all engines of this process; the rest is for the CUDA context and fragmentation."""


def build(
    engine: EngineConfig,
    model: ModelConfig,
    *,
    sessions: int | None = None,
    adapters: Sequence[Path] = (),
    log: Path | None = None,
    listener: Listener = ignore,
) -> Engine:
    """An engine that is not started yet. Raises `ConfigError` for settings that its kind does not have.

    `sessions` is the most in flight; `adapters` are the LoRA folders that its requests will name; `log` is the file for
    the engine's own messages.
    """
    kind, options = _checked(engine, adapters)
    setup = EngineSetup(engine, model, options, sessions, tuple(adapters), log, listener)
    return PluggedEngine(kind, setup) if kind.name in ENGINES.added() else kind.make(setup)


def check_settings(role: RoleConfig) -> None:
    """Raise `ConfigError` for settings that the role's kind of engine does not have. Loads nothing."""
    _checked(role.engine, [role.model.adapter] if role.model.adapter else [])


def _checked(engine: EngineConfig, adapters: Sequence[Path]) -> tuple[EngineType, BaseModel | None]:
    kind: EngineType = ENGINES.get(resolve_kind(engine.kind))
    _check(kind, engine, adapters)
    return kind, _options(kind, engine)


def _check(kind: EngineType, engine: EngineConfig, adapters: Sequence[Path]) -> None:
    """Raise `ConfigError` for settings that the kind would ignore, since they would mislead."""
    lines = [
        f"engine.{key}: the {kind.name} engine does not use it; found {getattr(engine, key)!r}"
        for key in sorted(OWN_KEYS - kind.uses)
        if getattr(engine, key)
    ]
    if adapters and not kind.adapters:
        lines.append(f"model.adapter: the {kind.name} engine serves no LoRA adapters; the vllm engine does")
    if lines:
        raise ConfigError(*lines)


def _options(kind: EngineType, engine: EngineConfig) -> BaseModel | None:
    if kind.settings is None:
        if engine.options:
            raise ConfigError(f"engine.options: the {kind.name} engine has none; found {', '.join(engine.options)}")
        return None
    if unknown := sorted(engine.options.keys() - kind.settings.model_fields.keys()):
        meant = did_you_mean(unknown[0], kind.settings.model_fields)
        raise ConfigError(f"engine.options.{unknown[0]}: the {kind.name} engine has no such setting{meant}")
    try:
        return kind.settings.model_validate(engine.options)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=False)
        raise ConfigError(
            *(
                f"engine.options.{'.'.join(map(str, one['loc']))}: {one['msg']}{_found(one['input'])}"
                for one in mistakes
            )
        ) from None  # pydantic's error has the values, too


def _found(value: object) -> str:
    """What was found, unless it may be a credential: these are allowed in options, by variables of the environment."""
    return f"; found {value!r}" if isinstance(value, int | float | None) else ""


class EnginePool:
    """The engines of `roles`. Use as `async with EnginePool(roles) as pool: engine = await pool.acquire(role)`."""

    def __init__(
        self,
        roles: Sequence[RoleConfig],
        *,
        sessions: int | None = None,
        log_dir: Path | None = None,
        listener: Listener = ignore,
    ) -> None:
        """`sessions` is the most in flight; None if that is not known before the engines start."""
        self._members: dict[str, _Member] = {}
        grouped: dict[str, list[RoleConfig]] = {}
        for role in roles:
            grouped.setdefault(engine_key(role), []).append(role)
        shared = _split_gpu([members[0] for members in grouped.values()])
        for number, ((key, members), engine) in enumerate(zip(grouped.items(), shared, strict=True)):
            adapters = {role.model.adapter for role in members if role.model.adapter is not None}
            log = log_dir / f"engine-{number}.log" if log_dir is not None else None
            self._members[key] = _Member(
                build(
                    engine,
                    members[0].model,
                    sessions=sessions,
                    adapters=sorted(adapters),
                    log=log,
                    listener=listener,
                )
            )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await completed(self._stack.aclose())  # or engine processes are left behind

    async def acquire(self, role: RoleConfig) -> Engine:
        """The engine of one role, started on first use. Raises `EngineError`, `ConfigError`."""
        member = self._member(role)
        async with member.lock:
            if member.info is None:
                self._stack.push_async_callback(member.engine.close)
                member.info = await member.engine.start()
        return member.engine

    def info(self, role: RoleConfig) -> EngineInfo:
        """What the started engine of a role reports about itself."""
        found = self._member(role).info
        if found is None:
            raise RuntimeError(f"the engine of {role.name} is not started")
        return found

    def _member(self, role: RoleConfig) -> "_Member":
        member = self._members.get(engine_key(role))
        if member is None:
            raise RuntimeError(f"the pool was not made for the role {role.name}")
        return member


class _Member:
    """An engine of the pool, and what it reported when it started."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.info: EngineInfo | None = None
        self.lock = asyncio.Lock()


def engine_key(role: RoleConfig) -> str:
    """A key that is equal for roles that can share an engine."""
    engine = role.engine.model_dump(mode="json", exclude={"chosen_by_auto"}) | {"kind": resolve_kind(role.engine.kind)}
    # Prompts, sampling and adapters belong to a request. A server's chat template belongs to the engine.
    of_request = {"adapter", "template_args"} | (set() if role.engine.kind == "openai" else {"chat_template"})
    model = role.model.model_dump(mode="json", exclude=of_request)
    return json.dumps([engine, model], sort_keys=True)


def _split_gpu(roles: Sequence[RoleConfig]) -> list[EngineConfig]:
    """The roles' engine settings; if there are several vLLM engines, each with its share of the GPU.

    Raises `ConfigError` if the shares set by the user leave too little memory.
    """
    engines = [role.engine for role in roles]
    local = [engine for engine in engines if resolve_kind(engine.kind) == "vllm"]
    if len(local) < 2:
        return engines
    key = "gpu_memory_utilization"
    set_shares = [float(engine.args[key]) for engine in local if key in engine.args]
    left = _MOST_GPU_SHARE - sum(set_shares)
    unset = len(local) - len(set_shares)
    if left < -1e-9 or (unset and left / unset < 0.05):
        found = ", ".join(f"{role.name}={role.engine.args.get(key, 'unset')}" for role in roles)
        raise ConfigError(
            f"engine.args.{key}: found {found}, expected shares that sum to at most {_MOST_GPU_SHARE}, "
            "since these engines share one GPU; lower them, or give both roles the same model and engine settings"
        )
    share = round(left / unset, 3) if unset else 0.0
    return [
        engine.model_copy(update={"args": {key: share, **engine.args}}) if engine in local else engine
        for engine in engines
    ]
