"""No prompt ever overflows, over templates of eleven families and 20,150 random sessions."""

from pathlib import Path

import pytest

from harness.context.render.renderer import Renderer
from tests.fixtures.templates import FAMILIES, tokenizer
from tests.property.context_sessions import Outcome, session

SESSIONS = 2150
"""For each family that renders incrementally: nine of them."""
SESSIONS_IN_FULL = 400
"""For each that renders in full, where every prompt takes several times as long."""


@pytest.mark.parametrize("family", FAMILIES)
async def test_every_prompt_of_every_session_fits_and_is_exact(family: str, small_model: Path) -> None:
    """Fits its window, equals full rendering, can't be forged, holds whole exchanges, and can be rebuilt."""
    renderer = Renderer(tokenizer(family, small_model), name=family)
    assert renderer.has_system == FAMILIES[family].has_system
    assert renderer.incremental == FAMILIES[family].incremental, renderer.why_full
    sessions = SESSIONS if renderer.incremental else SESSIONS_IN_FULL
    total = Outcome()
    refused = overflowed = 0
    for seed in range(sessions):
        try:
            outcome = await session(renderer, seed)
        except Exception as error:
            raise AssertionError(f"{family}, session {seed}: {error}") from error
        refused += outcome.refused_to_start
        overflowed += outcome.ended_by_overflow
        total.turns += outcome.turns
        total.compactions += outcome.compactions
        total.refusals += outcome.refusals
        total.fallbacks += outcome.fallbacks
    assert renderer.incremental == FAMILIES[family].incremental, renderer.why_full
    assert refused < sessions / 3
    assert overflowed < sessions / 4
    assert total.turns > 3 * sessions
    assert total.compactions > sessions / 4
    assert total.refusals > sessions / 100
    assert total.fallbacks > sessions / 100
