"""The prompt of every view: as it was sent, or, for imported sessions, as a run with given settings would send it.

Invariant: ids come from the same renderer and context manager as in a run, so no row exceeds its window.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from harness.config.compose import load
from harness.config.schema import RunConfig
from harness.context.manager import ContextManager
from harness.context.policies import make_policy
from harness.context.render.incremental import Rendering
from harness.context.render.renderer import Renderer
from harness.context.view import project
from harness.engines.base import EngineInfo
from harness.errors import ConfigError, ContextOverflow, PersonaError
from harness.exports.runs import ExportedRun
from harness.models.located import located
from harness.paths import persona_dir
from harness.personas.library import load as load_personas
from harness.personas.schema import Persona
from harness.runs.prepare import role_contexts_of
from harness.runs.resources import SharedResources
from harness.sessions.factory import RoleContext
from harness.store.played import Played
from harness.types import FinishReason, Generation, Prompt, Request, Sampling, Speaker, Turn

SILENCE = "..."
"""The patient's first turn if the therapist spoke first: templates begin with the user."""
THERAPISTS = ("therapist=", "therapist@")


class Prompts(Protocol):
    """The source of the prompts of one run's sessions."""

    def of(self, session: Played, side: Speaker) -> Iterator[tuple[int, Prompt]]:
        """Index and prompt of every turn of a side that a model generated, or that a model is to learn."""
        ...

    def renderer(self, session: Played, side: Speaker) -> Renderer: ...


class SentPrompts:
    """The prompts that were sent, rebuilt from the journal."""

    def __init__(self, run: ExportedRun) -> None:
        self._archive = run.archive

    def renderer(self, session: Played, side: Speaker) -> Renderer:
        return self._archive.renderer(side)

    def of(self, session: Played, side: Speaker) -> Iterator[tuple[int, Prompt]]:
        said = session.started.get(side)
        if said is None:
            return
        renderer = self._archive.renderer(side)
        last: Rendering | None = None
        for index, (turn, view) in enumerate(zip(session.turns, session.views, strict=True)):
            if turn.speaker is not side or view is None or not turn.prompt_tokens:
                continue
            messages = project(said["system"], said["opening"], side, session.turns[:index], view, renderer)
            last = renderer.render(messages, last)
            yield (
                index,
                renderer.prompt(
                    messages, last.ids, max_new_tokens=turn.max_new_tokens, max_model_len=turn.max_model_len
                ),
            )


class StagedPrompts:
    """Prompts of imported sessions, as a run with given settings would send them."""

    def __init__(self, overrides: Sequence[str], date: datetime) -> None:
        """`overrides` are settings of a run. If they name no therapist, that of a session's `meta` is used. `date` is the
        day that chat templates print."""
        engine = [] if any(one.startswith("engine=") for one in overrides) else ["engine=dry"]  # none is started
        self._overrides = [*engine, *overrides]
        self._date = date
        self._own_therapist = not any(one.startswith(THERAPISTS) for one in overrides)
        self._contexts: dict[str, tuple[RunConfig, Mapping[Speaker, RoleContext]]] = {}
        self._resources = SharedResources()
        self._personas: dict[str, Persona] = {}

    def renderer(self, session: Played, side: Speaker) -> Renderer:
        return self._context(session)[1][side].renderer

    def of(self, session: Played, side: Speaker) -> Iterator[tuple[int, Prompt]]:
        config, contexts = self._context(session)
        persona = self._persona(session, side)
        manager = _manager(config, contexts[side], persona, session)
        silent = [Turn(0, Speaker.PATIENT, SILENCE)] if session.turns[0].speaker is Speaker.THERAPIST else []
        history = [Turn(index, turn.speaker, turn.text) for index, turn in enumerate([*silent, *session.turns])]
        prompts = asyncio.run(_prompts(manager, history, side, len(silent)))
        yield from prompts

    def _context(self, session: Played) -> tuple[RunConfig, Mapping[Speaker, RoleContext]]:
        named = session.spec.meta.get("therapist") if self._own_therapist else None
        key = named if isinstance(named, str) else ""
        if key not in self._contexts:
            config = load([*([f"therapist={key}"] if key else []), *self._overrides])
            if config.context.policy not in ("truncate", "none"):
                raise ConfigError(
                    f"context={config.context.policy}: needs a model to write notes, and imported sessions are read "
                    "without one; expected truncate or none"
                )
            roles = {speaker: located(speaker, role, tokenizer_only=True) for speaker, role in config.roles()}
            self._contexts[key] = (config, role_contexts_of(roles, self._date, self._resources))
        return self._contexts[key]

    def _persona(self, session: Played, side: Speaker) -> Persona:
        """The patient's persona. The therapist's prompts do not depend on it, so for that side any persona will do."""
        name = session.spec.persona_id if side is Speaker.PATIENT else ""
        if name not in self._personas:
            try:
                (self._personas[name],) = load_personas((name or "two-cups",), [persona_dir()])
            except PersonaError as error:
                raise ConfigError(
                    f"--side patient: the prompts of session {session.spec.session_id} need its persona: {error}"
                ) from error
        return self._personas[name]


def prompts_of(run: ExportedRun, overrides: Sequence[str]) -> Prompts:
    """The source of a run's prompts. Raises `ConfigError` for settings that would have no effect."""
    if run.imported:
        return StagedPrompts(overrides, run.record.started_at)
    if overrides:
        raise ConfigError(
            f"{overrides[0]}: has no effect on {run.path.name}, whose prompts were sent; settings are for imported sessions"
        )
    return SentPrompts(run)


def _manager(config: RunConfig, context: RoleContext, persona: Persona, session: Played) -> ContextManager:
    return ContextManager(
        context.preamble(persona),
        _Scripted(),
        context.window,
        make_policy(config.context, None),
        sampling=Sampling(),
        max_new_tokens=context.role.max_new_tokens,
        low_water=config.context.low_water,
        direction_tokens=context.direction_tokens,
        label=f"{session.spec.session_id}: {context.speaker}",
    )


async def _prompts(
    manager: ContextManager, history: Sequence[Turn], side: Speaker, shift: int
) -> list[tuple[int, Prompt]]:
    found = []
    for index, turn in enumerate(history):
        if turn.speaker is side and index >= shift:
            try:
                answer = await manager.answer(history[:index], seed=0, request_id=str(index))
            except ContextOverflow as error:
                raise ConfigError(str(error)) from error
            found.append((index - shift, answer.prompt))
    return found


class _Scripted:
    """An engine with empty answers: only its prompts are used."""

    async def start(self) -> EngineInfo:
        return EngineInfo("scripted", "", 0)

    async def generate(self, request: Request) -> Generation:
        return Generation("", (), FinishReason.STOP, request.prompt.tokens, 0)

    async def close(self) -> None: ...
