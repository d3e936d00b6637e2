"""Trajectories of the inner state: what helps moves it, what pushes sets it back, and nothing runs out of bounds."""

import json
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.agents.appraisal import Appraisal, appraise
from harness.agents.directions import COOL_DOWN, EARLIEST_END, direction, wordings
from harness.agents.inner_state import InnerState, initial, step
from harness.agents.prompt import END
from harness.paths import persona_dir
from harness.personas.library import load
from harness.personas.sampler import sample
from harness.personas.schema import Persona, Resistance, Speed

WARM = (
    "That sounds really hard. It makes sense that you feel shut out after that. What was it like in that moment?",
    "Thank you for telling me. No wonder you are tired. Take your time. How does it feel in your body as you say it?",
    "So you stay alert, because once it was not safe. I can see why. What happens just before you go quiet?",
    "It sounds like part of you wants to be let in. That makes sense. Who would you most want to know that?",
    "I hear how lonely that is. We don't have to fix it now. What stays with you most?",
)
PUSHY = (
    "You should just stop worrying. Try to make a list of three goals and practice them every day. Why not?",
    "Let's move on. You need to challenge that thought. First of all write down the thought, then simply replace it.",
    "Calm down, it's not that bad. Let's try an exercise right away. You have to focus on the positive. Okay?",
)
LIBRARY = load("all", [persona_dir()])
FIRST = next(persona for persona in LIBRARY if persona.id == "skeptical-bullied-overwhelmed")
IDS = [persona.id for persona in LIBRARY]


@cache
def play(persona: Persona, script: tuple[str, ...], exchanges: int) -> list[tuple[str | None, InnerState]]:
    """The direction and the state of each patient turn, with the therapist saying the script round and round."""
    state, turns = initial(persona), []
    for exchange in range(exchanges):
        words, state = direction(state, persona)
        turns.append((words, state))
        state = step(state, appraise(script[exchange % len(script)]), persona)
    return turns


def shown(persona: Persona, script: tuple[str, ...], exchanges: int, behaviour: str) -> list[int]:
    """The turns at which a behaviour was directed."""
    turns = play(persona, script, exchanges)
    return [turn for turn, (_, state) in enumerate(turns) if state.last_shown(behaviour) == turn]


@pytest.mark.parametrize("persona", LIBRARY, ids=IDS)
def test_a_validating_slow_therapist_raises_trust_and_unlocks_every_layer_in_order(persona: Persona) -> None:
    turns = play(persona, WARM, 40)
    trust = [state.trust for _, state in turns]
    assert trust == sorted(trust)
    assert trust[-1] > trust[0] + 0.2
    secrets = [layer.content.rstrip(".") for layer in persona.disclosure if not layer.late]
    told = [words for words, _ in turns if words and any(secret in words for secret in secrets)]
    assert all(secret in words for secret, words in zip(secrets, told, strict=True))


@pytest.mark.parametrize("persona", LIBRARY, ids=IDS)
def test_nobody_tells_everything_or_recovers_in_the_first_turns(persona: Persona) -> None:
    """Simulated patients are known to agree and open up after a few turns; these take their time."""
    turns = play(persona, WARM, 6)
    assert turns[2][1].told == 0
    assert turns[-1][1].told < len(persona.disclosure)
    assert turns[-1][1].hope < 0.65


@pytest.mark.parametrize("persona", LIBRARY, ids=IDS)
def test_a_pushy_therapist_loses_trust_and_hears_nothing_held_back(persona: Persona) -> None:
    turns = play(persona, PUSHY, 20)
    assert turns[-1][1].trust < turns[0][1].trust
    assert turns[-1][1].hope < turns[0][1].hope
    assert turns[-1][1].told == 0


@pytest.mark.parametrize("persona", LIBRARY, ids=IDS)
def test_requests_to_slow_down_come_and_keep_their_cool_down(persona: Persona) -> None:
    turns = shown(persona, PUSHY, 30, "slow_down")
    assert COOL_DOWN["slow_down"] >= 5
    assert turns or persona.pace.speed is Speed.QUICK, "only quick patients can be pushed and never ask"
    assert all(later - sooner >= 5 for sooner, later in pairwise(turns))


@pytest.mark.parametrize("script", [WARM, PUSHY], ids=["warm", "pushy"])
@pytest.mark.parametrize("behaviour", sorted(COOL_DOWN))
def test_every_behaviour_keeps_its_cool_down(behaviour: str, script: tuple[str, ...]) -> None:
    for persona in LIBRARY:
        turns = shown(persona, script, 40, behaviour)
        assert all(later - sooner >= COOL_DOWN[behaviour] for sooner, later in pairwise(turns))


def test_the_wordings_of_a_behaviour_rotate() -> None:
    said = [words for words, _ in play(FIRST, PUSHY, 30) if words]
    slow = [words for words in said if any(wording in words for wording in wordings("en").words["slow_down"])]
    assert len(slow) >= 4
    assert len(set(slow[:4])) == 4


@pytest.mark.parametrize("script", [WARM, PUSHY], ids=["warm", "pushy"])
def test_no_two_directions_in_a_row_are_the_same(script: tuple[str, ...]) -> None:
    for persona in LIBRARY:
        said = [words for words, _ in play(persona, script, 40)]
        assert all(one is None or one != other for one, other in pairwise(said))


def test_after_telling_the_patient_may_pull_back_once() -> None:
    tells = shown(FIRST, WARM, 20, "tell")
    assert tells[0] + 1 in shown(FIRST, WARM, 20, "withdraw")


def test_a_step_of_good_sessions_ends_on_good_terms_and_not_early() -> None:
    helpful = (*WARM, "That makes sense. If you want to, we could find one small thing. What would you try?")
    easy = next(persona for persona in LIBRARY if persona.id == "plumber-with-a-stent")
    ready = easy.model_copy(update={"resistance": (Resistance.MINIMIZING,)})
    ends = shown(ready, helpful, 60, "close")
    assert ends
    assert ends[0] >= EARLIEST_END
    words = play(ready, helpful, 60)[ends[0]][0]
    assert words is not None
    assert END in words


def test_a_pushed_patient_walks_out_in_the_end() -> None:
    ends = shown(FIRST, PUSHY, 30, "walk_out")
    assert ends
    assert ends[0] >= 8


def test_one_misstep_sets_back_and_does_not_end_it() -> None:
    good = step(step(initial(FIRST), appraise(WARM[0]), FIRST), appraise(WARM[1]), FIRST)
    hurt = step(good, appraise("Calm down, it's not that bad."), FIRST)
    again = hurt
    for text in WARM:
        again = step(again, appraise(text), FIRST)
    assert hurt.trust < good.trust < again.trust


def test_a_layer_waits_for_what_it_needs_and_not_only_for_trust() -> None:
    trusting = InnerState(turn=5, trust=0.9, overwhelm=0.0)
    assert FIRST.disclosure[0].needs == "asked"
    assert step(trusting, Appraisal(validated=1.0), FIRST).unlocked == 0
    assert step(trusting, Appraisal(asked=1.0), FIRST).unlocked == 1


def test_a_layer_stays_locked_while_the_patient_is_overwhelmed_or_misunderstood() -> None:
    asked = Appraisal(asked=1.0)
    assert step(InnerState(turn=5, trust=0.9, overwhelm=0.95), asked, FIRST).unlocked == 0
    assert (
        step(InnerState(turn=5, trust=0.9, overwhelm=0.0), Appraisal(asked=1.0, misunderstood=0.6), FIRST).unlocked == 0
    )


def test_the_forms_of_resistance_differ_in_how_trust_grows() -> None:
    def trust(form: Resistance) -> float:
        return play(FIRST.model_copy(update={"resistance": (form,)}), WARM, 10)[-1][1].trust

    assert trust(Resistance.HOSTILE) < trust(Resistance.SKEPTICAL) < trust(Resistance.COMPLIANT_WITHOUT_CHANGE)


def test_a_patient_who_only_complies_gains_trust_and_little_hope() -> None:
    start = initial(FIRST)
    compliant = FIRST.model_copy(update={"resistance": (Resistance.COMPLIANT_WITHOUT_CHANGE,)})
    end = play(compliant, WARM, 15)[-1][1]
    assert end.trust - start.trust > 2 * (end.hope - start.hope)


def test_the_first_turn_has_no_direction_since_the_opening_is_one() -> None:
    words, state = direction(initial(FIRST), FIRST)
    assert words is None
    assert state.turn == 1


@pytest.mark.parametrize("personas", [LIBRARY, sample(60, seed=2)], ids=["library", "sampled"])
def test_a_direction_is_in_brackets_of_at_most_sixty_words_and_without_numbers(personas: list[Persona]) -> None:
    for persona in personas:
        for script in (WARM, PUSHY):
            for words, _ in play(persona, script, 40):
                if words is None:
                    continue
                assert words.startswith("(")
                assert words.endswith(")")
                assert len(words.split()) <= 60, words
                assert "{" not in words
                assert ".." not in words
                assert "0." not in words


part = st.floats(0, 1)
appraisals = st.builds(Appraisal, part, part, part, part, part, part)


@given(st.lists(appraisals, max_size=40), st.sampled_from(LIBRARY))
@settings(max_examples=60, deadline=None)
def test_the_state_stays_in_bounds_whatever_happens(did: list[Appraisal], persona: Persona) -> None:
    state = initial(persona)
    for one in did:
        _, state = direction(state, persona)
        state = step(state, one, persona)
        assert all(
            0 <= value <= 1 for value in (state.trust, state.hope, state.distress, state.overwhelm, state.openness)
        )
        assert 0 <= state.told <= state.unlocked <= len(persona.disclosure)
        assert state.unlocked - state.told <= 1


@given(st.lists(appraisals, min_size=1, max_size=20), st.integers(0, 19), st.sampled_from(LIBRARY))
@settings(max_examples=60, deadline=None)
def test_a_state_put_back_from_the_journal_goes_on_as_the_original(
    did: list[Appraisal], cut: int, persona: Persona
) -> None:
    """What a resumed session needs: the JSON of one turn's state and nothing else."""
    state = restored = initial(persona)
    for turn, one in enumerate(did):
        words, state = direction(state, persona)
        again, restored = direction(restored, persona)
        assert words == again
        if turn == cut % len(did):
            restored = InnerState.from_dict(json.loads(json.dumps(restored.to_dict())))
        state, restored = step(state, one, persona), step(restored, one, persona)
    assert state == restored
