"""Classifies turns with a language model, many at once (`hearing=model`)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from harness.config.schema import RoleConfig
from harness.context.ask import NoAnswer, StructuredQuery
from harness.context.budget import Window
from harness.context.render.load import load_renderer
from harness.engines.pool import build
from harness.engines.window import context_window
from harness.hearing import Heard, by_model
from harness.models import fetch
from harness.types import derive_seed

AT_ONCE = 64
"""Maximum number of requests in flight."""
_DATE = datetime(2000, 1, 1)
"""The date for chat templates that print one, fixed so that prompts are the same on any day."""
Asked = tuple[str, tuple[str, ...]]
"""A therapist's turn, and the patient's last turns."""


def hear_all(role: RoleConfig, turns: Sequence[Asked], seed: int = 0) -> dict[Asked, Heard | None]:
    """The result of the role's model for each different turn; None without a valid answer.

    Raises `ConfigError` for invalid settings and `EngineError` if the engine can't be started.
    """
    return asyncio.run(_hear_all(role, list(dict.fromkeys(turns)), seed))


async def _hear_all(role: RoleConfig, turns: Sequence[Asked], seed: int) -> dict[Asked, Heard | None]:
    model = role.model.model_copy(update={"path": str(fetch.resolve(role.model.path, key="therapist.model.path"))})
    renderer = load_renderer(model, _DATE)
    window = Window(context_window(role.engine, model))
    engine = build(role.engine, model, sessions=AT_ONCE)
    try:
        info = await engine.start()
        window.max_model_len = min(window.max_model_len, info.max_model_len)
        query = StructuredQuery(engine, renderer, window, max_new_tokens=by_model.ANSWER_TOKENS)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, asked: Asked) -> Heard | None:
            text, heard = asked
            async with slots:
                try:
                    answer = await query.ask(
                        lambda texts: by_model.question(texts["heard"], texts["text"]),
                        {"heard": " / ".join(heard), "text": text},
                        by_model.SCHEMA,
                        seed=derive_seed(seed, number, "hearing"),
                        request_id=f"hearing/{number}",
                    )
                except NoAnswer:
                    return None
            return by_model.parse(answer.text, text)

        found = await asyncio.gather(*(one(number, asked) for number, asked in enumerate(turns)))
    finally:
        await engine.close()
    return dict(zip(turns, found, strict=True))
