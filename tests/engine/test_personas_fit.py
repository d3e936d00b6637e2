"""Patients fit small windows, counted with a real tokenizer."""

from pathlib import Path

import pytest

from harness.agents.appraisal import appraise
from harness.agents.directions import direction
from harness.agents.inner_state import initial, step
from harness.agents.prompt import patient_opening, patient_system
from harness.context.render.renderer import Renderer
from harness.paths import persona_dir
from harness.personas.library import load
from harness.personas.sampler import sample
from harness.personas.schema import MAX_TEXT, Persona
from harness.types import Message
from tests.property.test_inner_state import PUSHY, WARM

NEW_TOKENS = 200
EXCHANGE_TOKENS = 300
"""Room for a short last exchange, without which a view says nothing."""
BOUNDS = {"en": (720, 1024 - NEW_TOKENS - EXCHANGE_TOKENS), "other": (920, 660)}
"""Most tokens of a prompt, whole and brief. A tokenizer made for English takes about half as many again for other languages,
whose brief prompt leaves less of a window of 1,024."""


@pytest.fixture(scope="module")
def renderer(small_model: Path) -> Renderer:
    return Renderer.load(str(small_model))


def tokens(renderer: Renderer, persona: Persona, *, brief: bool) -> int:
    messages = [Message("system", patient_system(persona, brief=brief)), Message("user", patient_opening(persona))]
    return len(renderer.render_full(messages))


@pytest.mark.parametrize("personas", [load("all", [persona_dir()]), sample(100, seed=4)], ids=["library", "sampled"])
def test_every_prompt_leaves_most_of_a_window_of_2048_to_the_session(
    renderer: Renderer, personas: list[Persona]
) -> None:
    for persona in personas:
        most, most_brief = BOUNDS["en" if persona.language == "en" else "other"]
        assert tokens(renderer, persona, brief=False) <= most, persona.id
        assert tokens(renderer, persona, brief=True) <= most_brief, persona.id


def test_the_longest_persona_that_is_valid_still_runs_at_2048(renderer: Renderer) -> None:
    """The bound on a persona's text is what keeps this promise for personas of users."""
    persona = load(["two-cups"], [persona_dir()])[0]
    room = MAX_TEXT - len(persona.prompt_text())
    filler = "You still count the unfamiliar kitchen sounds at daybreak, uneasily. "
    history = (persona.history + " " + filler * 40)[: min(600, len(persona.history) + room)]
    presenting = (persona.presenting_problem + " " + filler * 40)[:600]
    longest = Persona.model_validate(
        persona.model_copy(update={"history": history}).model_dump() | {"presenting_problem": presenting}, strict=False
    )
    assert len(longest.prompt_text()) > 0.8 * MAX_TEXT
    assert tokens(renderer, longest, brief=False) <= 1000


def test_the_longest_direction_stays_within_what_the_cast_keeps_free(renderer: Renderer) -> None:
    from harness.sessions.factory import DIRECTION_TOKENS

    for persona in load("all", [persona_dir()]):
        for spec in (WARM, PUSHY):
            state = initial(persona)
            for exchange in range(20):
                words, state = direction(state, persona)
                assert renderer.count_text(words or "") < DIRECTION_TOKENS, words
                state = step(state, appraise(spec[exchange % len(spec)]), persona)
