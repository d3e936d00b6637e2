"""Narratives that a model writes for composed personas: used where they can be played, else refused with a reason."""

import json
from random import Random

import pytest

from harness.agents.narrator import ANSWER_TOKENS, LONGEST, NARRATIVE_SCHEMA, Narrator
from harness.context.ask import StructuredQuery
from harness.context.budget import Window
from harness.context.render.renderer import Renderer
from harness.engines.dry.schema_instance import instance
from harness.errors import EngineError, EngineUnavailable
from harness.personas.sampler import sample
from harness.personas.schema import Persona, Risk
from harness.types import Request
from tests.fixtures.engines import Scripted
from tests.fixtures.templates import chatml_bytes

PERSONA = next(persona for persona in sample(40, 5) if persona.risk is Risk.NONE and persona.people)
TROUBLE = "You sit in the parked car outside the supermarket until the ice cream is soft. You tell nobody why it takes you so long."
PAST = "You learned early to be quick and no trouble. Your grandmother kept a tin of buttons, and you still have the blue ones."


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(chatml_bytes())


async def written(renderer: Renderer, answer: str, persona: Persona = PERSONA, window: int = 8000) -> Persona:
    query = StructuredQuery(Scripted(lambda request: answer), renderer, Window(window), max_new_tokens=ANSWER_TOKENS)
    return await Narrator(query, "scribe", 1).write(persona)


def texts(trouble: str = TROUBLE, past: str = PAST) -> str:
    return json.dumps({"presenting_problem": trouble, "history": past})


async def test_a_usable_narrative_takes_the_place_of_the_composed_one_and_nothing_else(renderer: Renderer) -> None:
    new = await written(renderer, texts())
    assert (new.presenting_problem, new.history) == (TROUBLE, PAST)
    assert new.provenance.source.endswith("; narrative written by scribe")
    rest = {"presenting_problem", "history", "provenance"}
    assert new.model_dump(exclude=rest) == PERSONA.model_dump(exclude=rest)


async def test_a_long_text_ends_with_its_last_whole_sentence(renderer: Renderer) -> None:
    numbered = " ".join(f"You counted the {number}th stair again that night." for number in range(30, 60))
    new = await written(renderer, texts(past=f"{numbered} You then went"))
    assert LONGEST - 60 < len(new.history) <= LONGEST
    assert new.history.endswith("that night.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("no JSON", "not the JSON asked for"),
        ('{"history": "x"}', "not the JSON asked for"),
        ("[1]", "not the JSON asked for"),
        (texts("You are sad."), "presenting_problem: fewer than 60"),
        (texts("You go on and on without any end of a sentence " * 4), "presenting_problem: fewer than 60"),
        (
            texts(past="She grew up in a small town by the sea. She was a quiet child and liked birds."),
            "does not speak",
        ),
        (texts(f"{TROUBLE} You keep the pills in a drawer."), "names a means of suicide ('pills')"),
        (texts(f"{TROUBLE} You want to die."), "goes beyond risk=none: want to die"),
        (texts(past=f"{PAST} You are a 19-year-old now."), "but you are"),
        (texts(past=f"{PAST} As an AI language model you have no past."), "is no narrative"),
        (texts(past=f"{TROUBLE} {TROUBLE}"), "history repeats itself"),
        (texts(past=f"You know it well. {PERSONA.disclosure[0].content}"), "tells what is held back"),
        (
            texts("Vous restez dans la voiture. Vous ne dites pas pourquoi, et personne ne le sait, your own."),
            "language",
        ),
    ],
)
async def test_what_can_t_be_played_or_must_not_be_said_leaves_the_composed_text(
    answer: str, reason: str, renderer: Renderer
) -> None:
    kept = await written(renderer, answer)
    assert (kept.presenting_problem, kept.history) == (PERSONA.presenting_problem, PERSONA.history)
    assert "; no narrative by scribe: " in kept.provenance.source
    assert reason in kept.provenance.source, kept.provenance.source


async def test_a_wish_to_be_dead_may_be_told_of_a_persona_at_risk(renderer: Renderer) -> None:
    at_risk = PERSONA.model_copy(update={"risk": Risk.LOW})
    assert (await written(renderer, texts(f"{TROUBLE} You want to die."), at_risk)).presenting_problem.endswith("die.")
    refused = await written(renderer, texts(f"{TROUBLE} You have a plan to end your life."), at_risk)
    assert "goes beyond risk=low" in refused.provenance.source


async def test_the_question_fits_its_window_and_an_answer_of_the_dry_engine_is_one_of_the_schema(
    renderer: Renderer,
) -> None:
    engine = Scripted(lambda request: json.dumps(instance(NARRATIVE_SCHEMA, Random(1))))
    query = StructuredQuery(engine, renderer, Window(2600), max_new_tokens=ANSWER_TOKENS)
    assert "no narrative" in (await Narrator(query, "dry", 1).write(PERSONA)).provenance.source
    assert engine.requests[0].prompt.tokens + ANSWER_TOKENS <= 2600
    assert engine.requests[0].json_schema == NARRATIVE_SCHEMA
    small = await written(renderer, texts(), window=ANSWER_TOKENS + 200)
    assert "is too small for the question" in small.provenance.source


async def test_an_answer_that_fails_is_a_reason_but_an_engine_that_is_gone_is_not(renderer: Renderer) -> None:
    def fails(error: EngineError) -> Narrator:
        def say(request: Request) -> str:
            raise error

        return Narrator(
            StructuredQuery(Scripted(say), renderer, Window(8000), max_new_tokens=ANSWER_TOKENS), "scribe", 1
        )

    assert "EngineError: busy" in (await fails(EngineError("busy")).write(PERSONA)).provenance.source
    with pytest.raises(EngineUnavailable):
        await fails(EngineUnavailable("gone")).write(PERSONA)
