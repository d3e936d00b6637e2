"""Disclosure and rupture: told is what was said, harm closes, a calm question about dying is answered, anybody may leave."""

import pytest

from harness.agents.appraisal import Appraisal, Listener, appraise
from harness.agents.directions import COOL_DOWN, confirmed, direction, languages, wordings
from harness.agents.disclosure import says
from harness.agents.inner_state import HURT_TURNS, InnerState, initial, step
from harness.paths import persona_dir
from harness.personas.library import load
from harness.personas.schema import Layer, Need, Persona, Resistance, Risk, RiskKind
from harness.text.words import content_stems, words

LIBRARY = load("all", [persona_dir()])
FIRST = next(persona for persona in LIBRARY if persona.id == "skeptical-bullied-overwhelmed")
READY = InnerState(turn=5, trust=0.9, overwhelm=0.0, attuned=0.5)
HEARD = Appraisal(listened=0.6, asked=1.0, validated=0.5)
DANGER = Layer(
    topic="what the nights are like", content="You hope not to wake up, most nights.", trust=0.8, about=RiskKind.SUICIDE,
    partial="Some nights you would rather not wake",
)  # fmt: skip
AT_RISK = FIRST.model_copy(update={"risk": Risk.MODERATE, "disclosure": (DANGER,)})


def test_a_layer_that_was_directed_and_not_said_is_not_told() -> None:
    unlocked = step(READY, HEARD, FIRST)
    words, state = direction(unlocked, FIRST)
    assert words is not None
    content = FIRST.disclosure[0].content
    assert content.rstrip(".") in words
    assert confirmed(state, FIRST, "I don't know. It's fine.").told == 0
    assert confirmed(state, FIRST, content).told == 1


def test_telling_costs_at_first() -> None:
    unlocked = step(READY, HEARD, FIRST)
    _, state = direction(unlocked, FIRST)
    assert state.distress > unlocked.distress
    before, settled = step(unlocked, HEARD, FIRST), step(state, HEARD, FIRST)
    assert settled.trust < before.trust


@pytest.mark.parametrize("persona", LIBRARY, ids=[persona.id for persona in LIBRARY])
def test_the_topic_of_a_layer_does_not_tell_it_and_its_content_does(persona: Persona) -> None:
    for layer in persona.disclosure:
        assert says(content_stems(words(layer.content)), layer)
        assert not says(content_stems(words(f"I'd rather not talk about {layer.topic}.")), layer)


def test_after_harm_nothing_is_told_for_some_turns() -> None:
    hurt = step(READY, appraise("You are a burden to everyone, and it is your own fault."), FIRST)
    words, state = direction(hurt, FIRST)
    assert words is not None
    assert any(wording in words for wording in wordings("en").words["hurt"])
    for _ in range(HURT_TURNS - 1):
        state = step(state, HEARD, FIRST)
        assert state.unlocked == 0
        _, state = direction(state, FIRST)
    for _ in range(3):
        state = step(state._replace(overwhelm=0.0, trust=0.9), HEARD, FIRST)
    assert state.unlocked == 1


def test_one_harmful_turn_costs_more_than_several_good_ones_earn() -> None:
    start = initial(FIRST)
    good = start
    for _ in range(3):
        good = step(good, HEARD, FIRST)
    hurt = step(good, appraise("Honestly, nobody would miss you."), FIRST)
    assert hurt.trust < start.trust


@pytest.mark.parametrize("trust", [0.0, 0.3, 0.6])
def test_a_calm_direct_question_about_dying_gets_part_of_the_truth_at_any_trust(trust: float) -> None:
    asked = Listener().hear(
        "I'm tired, that's all.", "I'd like to ask you straight out. Are you thinking of ending your life?"
    )
    assert asked.asked_risk == 1.0
    words, _ = direction(step(InnerState(turn=1, trust=trust), asked, AT_RISK), AT_RISK)
    assert words is not None
    assert "Some nights you would rather not wake" in words


@pytest.mark.parametrize(
    "text",
    [
        "You're not thinking of doing anything silly, are you?",
        "Surely you don't want to die?",
        "You should be ashamed of thinking about suicide. Do you?",
    ],
)
def test_a_leading_or_shaming_question_gets_none(text: str) -> None:
    assert Listener().hear("I'm tired.", text).asked_risk == 0.0


def test_a_patient_without_that_danger_says_no() -> None:
    safe = FIRST.model_copy(update={"risk": Risk.NONE, "looks_like": (RiskKind.SUICIDE,)})
    words, _ = direction(step(InnerState(turn=3, trust=0.5), Appraisal(asked_risk=1.0), safe), safe)
    assert words is not None
    assert any(wording in words for wording in wordings("en").words["deny"])


def test_a_good_reflection_opens_what_a_question_opens() -> None:
    layer = FIRST.disclosure[0].model_copy(update={"needs": Need.ASKED})
    persona = FIRST.model_copy(update={"disclosure": (layer,)})
    assert step(READY, Appraisal(listened=0.6), persona).unlocked == 1
    assert step(READY, Appraisal(listened=0.1), persona).unlocked == 0


def test_nothing_is_told_to_somebody_who_does_not_listen() -> None:
    assert step(READY._replace(attuned=0.0), Appraisal(asked=1.0, validated=1.0), FIRST).unlocked == 0


@pytest.mark.parametrize(("left", "unlocked"), [(None, 0), (9, 0), (2, 1), (0, 1)])
def test_a_late_layer_is_told_at_the_door_or_not_at_all(left: int | None, unlocked: int) -> None:
    late = FIRST.model_copy(update={"disclosure": (FIRST.disclosure[0].model_copy(update={"late": True}),)})
    assert step(READY, HEARD, late, left).unlocked == unlocked


@pytest.mark.parametrize("persona", LIBRARY, ids=[persona.id for persona in LIBRARY])
def test_anybody_walks_out_of_enough(persona: Persona) -> None:
    state = initial(persona)
    for _ in range(25):
        _, state = direction(state, persona)
        if state.last_shown("walk_out") is not None:
            return
        state = step(state, Appraisal(advised=1.0, rushed=0.8, misunderstood=0.6), persona)
    pytest.fail("stayed")


def test_every_behaviour_has_words_in_every_language_and_every_form_of_resistance() -> None:
    assert {"en", "de", "es", "fr"} <= set(languages())
    shaped = {"push_back", "doubt", "bring_in"}
    for language in languages():
        own = wordings(language)
        assert set(own.words) - {"yes"} == set(COOL_DOWN) - shaped, language
        assert set(own.resist) == set(own.doubt) == set(Resistance), language


def test_no_direction_asks_the_actor_to_narrate() -> None:
    every = [line for lines in wordings("en").words.values() for line in lines]
    assert not [line for line in every if "watch the therapist" in line or "look at" in line]
