"""The library: every persona is valid, covers what it promises, and stays fit to be played."""

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from harness.agents.appraisal import Listener
from harness.agents.directions import direction, shown_in
from harness.agents.inner_state import initial, step
from harness.agents.prompt import END, patient_system
from harness.errors import MOST_NAMES, PersonaError
from harness.paths import persona_dir
from harness.personas.library import find, load, parse, read, to_yaml
from harness.personas.safety import means
from harness.personas.schema import (
    Length,
    Need,
    Persona,
    Problem,
    Resistance,
    Risk,
    RiskKind,
    Stage,
    Style,
    persona_hash,
)

FIRST = "skeptical-bullied-overwhelmed"
RISK_LINES = Path(__file__).parents[1] / "fixtures" / "risk_lines.yaml"


@pytest.fixture(scope="module")
def library() -> list[Persona]:
    return load("all", [persona_dir()])


def test_every_persona_of_the_library_validates_and_there_are_at_least_seventy(library: list[Persona]) -> None:
    assert len(library) >= 70
    assert [persona.id for persona in library] == sorted(find([persona_dir()]))


def test_the_library_covers_every_problem_stage_and_verbosity(library: list[Persona]) -> None:
    assert {problem for persona in library for problem in persona.problems} == set(Problem)
    assert {persona.stage for persona in library} == set(Stage)
    assert {persona.profile.length for persona in library} == set(Length)


def test_every_style_and_every_form_of_resistance_appears_at_least_twice(library: list[Persona]) -> None:
    styles = Counter(persona.style for persona in library)
    forms = Counter(form for persona in library for form in persona.resistance)
    assert all(styles[style] >= 2 for style in Style)
    assert all(forms[form] >= 2 for form in Resistance)


def test_suicide_risk_is_there_in_every_grade(library: list[Persona]) -> None:
    graded = {persona.risk for persona in library if Problem.SUICIDALITY in persona.problems}
    assert graded == {Risk.LOW, Risk.MODERATE, Risk.HIGH, Risk.IMMINENT}


def test_every_kind_of_risk_is_there_with_thoughts_and_with_more_than_thoughts(library: list[Persona]) -> None:
    """Misses can be measured by tier: thoughts; plan and intent; means at hand."""
    tiers = {(kind, persona.risk) for persona in library for kind in persona.dangers()}
    assert {kind for kind, _ in tiers} == set(RiskKind)
    assert {risk for _, risk in tiers} == set(Risk) - {Risk.NONE}
    assert {(RiskKind.SUICIDE, tier) for tier in (Risk.MODERATE, Risk.HIGH, Risk.IMMINENT)} <= tiers
    assert {(RiskKind.VIOLENCE, Risk.MODERATE), (RiskKind.VIOLENCE, Risk.HIGH)} <= tiers
    assert {(RiskKind.CHILD_AT_RISK, Risk.HIGH), (RiskKind.CHILD_AT_RISK, Risk.IMMINENT)} <= tiers


def test_at_least_three_patients_only_sound_like_it(library: list[Persona]) -> None:
    """False alarms can be measured, too."""
    alike = [persona for persona in library if persona.looks_like and persona.risk is Risk.NONE]
    assert len(alike) >= 3
    assert len({kind for persona in alike for kind in persona.looks_like}) >= 2


def test_a_direct_question_gets_a_part_of_the_truth_from_everyone_at_risk(library: list[Persona]) -> None:
    """At any trust: the patient has the words for it, about each danger of its own."""
    for persona in library:
        dangerous = [layer for layer in persona.disclosure if layer.about]
        assert set(persona.dangers()) <= {layer.about for layer in dangerous}, persona.id
        assert all(layer.partial for layer in dangerous), persona.id


STRAIGHT = {
    RiskKind.SUICIDE: "You sound very tired of it all. Are you thinking about ending your life?",
    RiskKind.SELF_HARM: "Can I ask you something straight? Do you ever hurt yourself?",
    RiskKind.VIOLENCE: "I want to ask this calmly. Are you thinking of hurting somebody?",
    RiskKind.CHILD_AT_RISK: "I would like to ask you directly. Is your child safe, is anybody hurting a child?",
}


def test_the_first_question_may_already_be_the_direct_one(library: list[Persona]) -> None:
    """Whoever asks straight out in the first exchange is not lied to, by those at risk or by those who only sound like it."""
    for persona in library:
        if persona.language != "en":
            continue
        for kind in persona.dangers() or persona.looks_like:
            listener = Listener(persona.language, persona.conceptualization.core_beliefs)
            _, state = direction(initial(persona), persona)
            state = step(state, listener.hear(persona.phrases[0], STRAIGHT[kind]), persona)
            _, state = direction(state, persona)
            answered = any(layer.about for layer in persona.disclosure)
            assert shown_in(state) == ("partial" if answered else "deny"), (persona.id, kind)


def test_a_plan_does_not_come_out_at_any_question(library: list[Persona]) -> None:
    for persona in library:
        if persona.risk in (Risk.HIGH, Risk.IMMINENT):
            first = next(layer for layer in persona.disclosure if layer.about)
            assert first.needs in (Need.VALIDATED, Need.BOTH), persona.id


def test_patients_do_not_all_wait_for_a_question(library: list[Persona]) -> None:
    """Therapies that reflect and hardly ask must be able to open most of them."""
    first = Counter(persona.disclosure[0].needs for persona in library)
    assert first[Need.VALIDATED] + first[Need.NOTHING] > len(library) / 2
    assert first[Need.ASKED] >= 5


def test_patients_speak_four_languages_and_each_text_is_in_its_own(library: list[Persona]) -> None:
    """A word of the wrong language would have a small model mix the two."""
    assert {persona.language for persona in library} == {"en", "de", "es", "fr"}
    english = re.compile(r"\b(?:you|your|the|and|with)\b", re.IGNORECASE)
    for persona in library:
        told = " ".join([persona.prompt_text(), *(f"{x.content} {x.partial or ''}" for x in persona.disclosure)])
        assert bool(english.search(told)) == (persona.language == "en"), persona.id


def test_adults_of_all_ages_are_there(library: list[Persona]) -> None:
    ages = [persona.identity.age for persona in library]
    decades = Counter(age // 10 for age in ages)
    assert all(decades[decade] >= 2 for decade in (2, 3, 4, 5, 6))
    assert max(ages) >= 75


def test_no_two_personas_are_alike(library: list[Persona]) -> None:
    """Names are unique, and no two share a run of six words: none is a copy of another with the names changed."""
    assert len({persona.identity.name for persona in library}) == len(library)
    runs: dict[str, set[tuple[str, ...]]] = {}
    for persona in library:
        told = [persona.prompt_text(), *(layer.content for layer in persona.disclosure)]
        words = [re.findall(r"[\w']+", text.lower()) for text in told]
        runs[persona.id] = {tuple(text[at : at + 6]) for text in words for at in range(len(text) - 5)}
    for one, other in combinations(runs, 2):
        assert not runs[one] & runs[other], (one, other)


def test_no_persona_names_a_means(library: list[Persona]) -> None:
    """Of those without risk, too: what is said to one patient's actor is read by many people."""
    for persona in library:
        for text in _texts(persona):
            assert means(text) is None, (persona.id, means(text))


def _texts(persona: Persona) -> list[str]:
    layers = [text for layer in persona.disclosure for text in (layer.content, layer.partial) if text]
    return [persona.summary, persona.prompt_text(), *layers]


def test_lines_for_the_crisis_detector_go_with_the_library(library: list[Persona]) -> None:
    """Every patient with a plan and every look-alike by design has its lines, about a danger that it has or only sounds like."""
    by_id = {persona.id: persona for persona in library}
    entries = yaml.safe_load(RISK_LINES.read_text(encoding="utf-8"))
    for entry in entries:
        persona, lines = by_id[entry["persona"]], entry["lines"]
        danger = persona.dangers() if entry["kind"] == "risk" else persona.looks_like
        assert entry["about"] in danger, persona.id
        assert entry.get("language", "en") == persona.language
        assert 3 <= len(lines) <= 5
        assert all(means(line["text"]) is None for line in lines)
        assert {line["tier"] for line in lines} <= {"thoughts", "plan", "means", None}
        assert any(line["tier"] for line in lines) == (entry["kind"] == "risk")
    told = {entry["persona"] for entry in entries}
    assert {persona.id for persona in library if persona.risk in (Risk.HIGH, Risk.IMMINENT)} <= told


def test_every_persona_licenses_itself_for_reuse(library: list[Persona]) -> None:
    assert {persona.provenance.licence for persona in library} == {"Apache-2.0"}


def test_the_first_persona_has_every_element_of_its_description() -> None:
    [persona] = load([FIRST], [persona_dir()])
    prompt = patient_system(persona)
    for element in (
        "outgoing", "office", "small mistake", "proof that you are a failure", "At school", "still hear them",
        "chest tightens", "face gets hot", "clam up", "overcompensate", "avoid", "At night you replay the day",
        '"did not work"', "how the next thing is supposed to help", "overwhelmed", "slower and more concrete",
        "Mark, a friendly colleague", "connection",
    ):  # fmt: skip
        assert element in prompt, element


@pytest.mark.parametrize("brief", [False, True])
def test_what_a_patient_holds_back_is_not_in_its_prompt(library: list[Persona], brief: bool) -> None:
    """Layers are told when they unlock; a prompt that held them would have a small model tell them at once."""
    for persona in library:
        prompt = patient_system(persona, brief=brief)
        for layer in persona.disclosure:
            assert layer.topic in prompt
            for sentence in layer.content.split(". "):
                assert sentence not in prompt, (persona.id, sentence)


def test_a_prompt_names_the_way_to_end_the_session_and_leaves_no_template_marks(library: list[Persona]) -> None:
    for persona in library:
        prompt = patient_system(persona)
        assert END in prompt
        assert "{" not in prompt
        assert ".." not in prompt, persona.id


def test_a_user_s_persona_hides_that_of_the_library_with_the_same_id(tmp_path: Path) -> None:
    text = (persona_dir() / f"{FIRST}.yaml").read_text(encoding="utf-8").replace("name: Rachel", "name: Renate")
    (tmp_path / f"{FIRST}.yaml").write_text(text, encoding="utf-8")
    [mine, other] = load([FIRST, "two-cups"], [tmp_path, persona_dir()])
    assert (mine.identity.name, other.identity.name) == ("Renate", "Arthur")


def test_all_takes_every_id_once_from_both_folders(tmp_path: Path) -> None:
    text = (persona_dir() / "two-cups.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("id: two-cups", "id: mine"), encoding="utf-8")
    ids = [persona.id for persona in load("all", [tmp_path, persona_dir()])]
    assert "mine" in ids
    assert len(ids) == len(set(ids)) == len(find([persona_dir()])) + 1


def test_the_order_asked_for_is_the_order_given() -> None:
    assert [persona.id for persona in load(["two-cups", FIRST], [persona_dir()])] == ["two-cups", FIRST]


def test_an_unknown_id_gets_the_nearest_known_ones() -> None:
    with pytest.raises(PersonaError, match=r"no persona 'two-cup' \(did you mean two-cups\?\)"):
        load(["two-cup"], [persona_dir()])


def test_an_id_like_no_other_gets_a_short_line_that_says_how_to_list_them_all() -> None:
    with pytest.raises(PersonaError) as caught:
        load(["#"], [persona_dir()])
    (line,) = caught.value.lines
    shown, told = line.split("known: ")[1].split(" and ")
    assert len(shown.split(", ")) == MOST_NAMES
    assert told == f"{len(find([persona_dir()])) - MOST_NAMES} more (python -m harness list personas)"


def test_an_id_asked_for_twice_is_refused() -> None:
    with pytest.raises(PersonaError, match="'two-cups' is asked for twice"):
        load(["two-cups", "two-cups"], [persona_dir()])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="nowhere: no such folder of personas"):
        load("all", [tmp_path / "nowhere"])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="no persona files"):
        load("all", [tmp_path])


def test_two_files_for_one_id_in_one_folder_are_refused(tmp_path: Path) -> None:
    for suffix in ("yaml", "yml"):
        (tmp_path / f"x.{suffix}").write_text("version: 1", encoding="utf-8")
    with pytest.raises(PersonaError, match=r"x\.yml: a second file for persona 'x'"):
        find([tmp_path])


def test_an_id_that_is_not_the_file_s_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "renamed.yaml"
    path.write_text((persona_dir() / "two-cups.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(
        PersonaError, match=r"renamed\.yaml: id: expected 'renamed' as the file is called, found 'two-cups'"
    ):
        read(path)


def test_mistakes_of_many_files_come_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("version: 1", encoding="utf-8")
    with pytest.raises(PersonaError) as caught:
        load("all", [tmp_path])
    assert any("a.yaml" in line for line in caught.value.lines)
    assert any("b.yaml" in line for line in caught.value.lines)


def test_a_persona_survives_being_written_and_read(library: list[Persona]) -> None:
    for persona in library:
        assert parse(to_yaml(persona), "again") == persona


def test_the_hash_follows_the_content_and_not_the_layout(library: list[Persona]) -> None:
    assert len({persona_hash(persona) for persona in library}) == len(library)
    [persona] = load([FIRST], [persona_dir()])
    assert persona_hash(parse(to_yaml(persona), "again")) == persona_hash(persona)
    older = persona.model_copy(update={"identity": persona.identity.model_copy(update={"age": 32})})
    assert persona_hash(older) != persona_hash(persona)
