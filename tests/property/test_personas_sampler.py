"""Sampled personas: reproducible, valid, quick, and free of contradictions between their factors."""

from collections import Counter

import pytest

from harness.agents.prompt import patient_system
from harness.personas.library import parse, to_yaml
from harness.personas.sampler import EXCLUDES, UNLIKELY, sample
from harness.personas.schema import Length, Persona, Problem, Resistance, Stage, Style


@pytest.fixture(scope="module")
def sampled() -> list[Persona]:
    return sample(1000, seed=11)


def test_a_thousand_are_valid_files(sampled: list[Persona]) -> None:
    for persona in sampled[::50]:
        assert parse(to_yaml(persona), "again") == persona


def test_the_same_seed_gives_the_same_personas_and_another_seed_others(sampled: list[Persona]) -> None:
    assert sample(20, seed=11) == sampled[:20]
    assert all(one.identity != other.identity for one, other in zip(sample(5, seed=12), sampled, strict=False))


def test_no_two_of_a_thousand_are_the_same_patient(sampled: list[Persona]) -> None:
    assert len({persona.id for persona in sampled}) == 1000
    assert len({patient_system(persona) for persona in sampled}) == 1000


def test_they_spread_over_problems_styles_forms_and_stages(sampled: list[Persona]) -> None:
    problems = Counter(persona.problems[0] for persona in sampled)
    assert len(problems) >= 15
    assert max(problems.values()) < 3 * min(problems.values())
    assert {persona.style for persona in sampled} == set(Style)
    assert {persona.resistance[0] for persona in sampled} == set(Resistance)
    assert {persona.stage for persona in sampled} == set(Stage)


def test_no_placeholder_is_left_in_the_text(sampled: list[Persona]) -> None:
    for persona in sampled:
        texts = [persona.prompt_text(), *(layer.content for layer in persona.disclosure)]
        assert not [text for text in texts if "{" in text or "}" in text]


def test_age_goes_with_occupation_and_household(sampled: list[Persona]) -> None:
    for persona in sampled:
        who = persona.identity
        if "retired" in who.occupation:
            assert who.age >= 65
        if "student" in who.occupation or "apprentice" in who.occupation:
            assert who.age <= 34
        if "with your parents" in who.living:
            assert who.age <= 32
        if "on your own" in who.living and "nine" in who.living:
            assert who.age >= 29


def test_the_problem_goes_with_the_life(sampled: list[Persona]) -> None:
    for persona in sampled:
        who, problem = persona.identity, persona.problems[0]
        retired, jobless = "retired" in who.occupation, "out of work" in who.occupation
        if problem is Problem.POSTPARTUM:
            assert who.gender == "woman"
            assert who.age <= 42
            assert "three months" in who.living
        if problem is Problem.BURNOUT:
            assert not retired
            assert not jobless
        if problem is Problem.GRIEF:
            assert who.age >= 48
            assert "you once shared" in who.living
            assert all(person.relation != "your partner" for person in persona.people)
        if problem is Problem.RELATIONSHIP:
            assert "partner" in who.living
        if problem is Problem.LONELINESS:
            assert "alone" in who.living


def test_partner_and_child_have_one_name_throughout(sampled: list[Persona]) -> None:
    for persona in sampled:
        partners = [person.name for person in persona.people if person.relation == "your partner"]
        assert ("your partner," in persona.identity.living or "Your partner," in persona.identity.living) == bool(
            partners
        )
        assert all(name in persona.identity.living for name in partners)


def test_manner_has_no_contradictions(sampled: list[Persona]) -> None:
    for persona in sampled:
        forms = persona.resistance
        assert not UNLIKELY[persona.style].intersection(forms)
        assert all(not EXCLUDES.get(form, set()).intersection(forms) for form in forms)
        if persona.style is Style.VERBOSE:
            assert persona.profile.length is Length.TALKATIVE
        if Resistance.SILENT in forms:
            assert persona.profile.length is not Length.TALKATIVE or persona.style is Style.PLAIN
        if persona.stage in (Stage.ACTION, Stage.MAINTENANCE):
            assert Resistance.HELP_REJECTING not in forms


def test_what_is_held_back_takes_more_trust_than_the_patient_brings(sampled: list[Persona]) -> None:
    for persona in sampled:
        assert persona.start.trust < persona.disclosure[0].trust < persona.disclosure[1].trust < 0.9
