"""Narratives of sampled personas, written by a model on any engine."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from harness.agents.narrator import ANSWER_TOKENS, Narrator
from harness.config.compose import load
from harness.config.schema import RoleConfig
from harness.context.ask import StructuredQuery
from harness.engines.concurrency import auto_concurrency
from harness.engines.pool import EnginePool
from harness.models.located import located
from harness.personas.schema import Persona
from harness.runs.prepare import role_contexts_of
from harness.runs.resources import SharedResources
from harness.types import Purpose, Speaker

QUESTION_TOKENS = 700
"""Approximate tokens of a question with half its answer; bounds the number of questions in flight."""


def write_narratives(
    personas: Sequence[Persona], overrides: Sequence[str], seed: int
) -> tuple[list[Persona], list[str]]:
    """The personas with narratives by the patient's model in `overrides`, and a line for each narrative that could not be
    used. Raises `ConfigError` and `EngineError`."""
    role = located(Speaker.PATIENT, load(overrides).patient)
    written = asyncio.run(_write(personas, role, seed))
    unused = [
        f"{persona.id}: {persona.provenance.source.partition('; ')[2]}"
        for old, persona in zip(personas, written, strict=True)
        if (old.presenting_problem, old.history) == (persona.presenting_problem, persona.history)
    ]
    return written, unused


async def _write(personas: Sequence[Persona], role: RoleConfig, seed: int) -> list[Persona]:
    role_context = role_contexts_of({Speaker.PATIENT: role}, datetime.now(UTC), SharedResources())[Speaker.PATIENT]
    async with EnginePool([role]) as pool:
        engine, info = await pool.acquire(role), pool.info(role)
        role_context.window.max_model_len = min(role_context.window.max_model_len, info.max_model_len)
        query = StructuredQuery(
            engine,
            role_context.renderer,
            role_context.window,
            max_new_tokens=ANSWER_TOKENS,
            adapter=str(role.model.adapter) if role.model.adapter else None,
            sampling=role.sampling.sampling(),
            purpose=Purpose.NARRATIVE,
        )
        narrator = Narrator(query, role.model.name, seed)
        limit, _ = auto_concurrency(info, QUESTION_TOKENS + ANSWER_TOKENS, role.engine.max_batch)
        turn = asyncio.Semaphore(limit)

        async def write(persona: Persona) -> Persona:
            async with turn:
                return await narrator.write(persona)

        return list(await asyncio.gather(*map(write, personas)))
