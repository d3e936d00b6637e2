"""Prompts: strict, sandboxed, constant, and looked up where the user expects."""

from pathlib import Path

import pytest
import yaml

from harness.agents.prompt import (
    END,
    PLAN,
    PROMPTS,
    patient_opening,
    patient_system,
    plan_direction,
    render,
    therapist_system,
)
from harness.errors import ConfigError
from harness.paths import conf_dir, persona_dir
from harness.personas.library import load
from harness.personas.safety import means
from harness.personas.schema import Persona, Resistance, Style

SCHOOLS = ("act", "cbt", "mi", "person_centred", "dbt", "sfbt")
BAD = ("poor", "flatterer")


@pytest.fixture(scope="module")
def persona() -> Persona:
    return load(["skeptical-bullied-overwhelmed"], [persona_dir()])[0]


def test_every_therapist_of_the_config_has_a_prompt_that_renders() -> None:
    names = set()
    for path in (conf_dir() / "therapist").glob("*.yaml"):
        role = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert role["name"] == path.stem
        text = therapist_system(role["prompt"])
        assert (text is None) == (path.stem == "bare")
        names.add(path.stem)
    assert names >= {"act", "cbt", "mi", "person_centred", "dbt", "sfbt", "poor", "flatterer", "bare"}


def test_every_therapist_is_told_what_to_do_when_a_patient_speaks_of_dying() -> None:
    for name in (*SCHOOLS, *BAD):
        text = (therapist_system(f"{name}.jinja") or "").lower()
        assert "if they speak of dying or harm" in text
        assert ("safety plan" in text and "put safety first" in text) == (name in SCHOOLS)
        assert "emergency services" in text
        assert means(text) is None


def test_schools_are_compared_and_not_prompts() -> None:
    """One frame for all of them, word for word, and blocks of like length: four points each."""
    frame = render("therapist_frame.jinja")
    blocks = []
    for name in SCHOOLS:
        text = therapist_system(f"{name}.jinja") or ""
        assert text.endswith(frame)
        blocks.append(text.removesuffix(frame))
    assert {block.count("\n- ") for block in blocks} == {4}
    lengths = [len(block.split()) for block in blocks]
    assert max(lengths) <= 1.1 * min(lengths), dict(zip(SCHOOLS, lengths, strict=True))


def test_a_patient_who_agrees_with_everything_is_not_told_to_hold_back_agreement() -> None:
    for persona in load("all", [persona_dir()]):
        if persona.language == "en":
            eager = persona.style is Style.PLEASING or Resistance.COMPLIANT_WITHOUT_CHANGE in persona.resistance
            assert ("Do not agree too soon" in patient_system(persona)) != eager, persona.id


def test_a_patient_closes_in_everyday_words_and_keeps_beliefs_unspoken(persona: Persona) -> None:
    for brief in (False, True):
        prompt = patient_system(persona, brief=brief)
        for wish in ("everyday words", "No clinical terms, lessons learned or summing up", '"I don\'t know" is enough'):
            assert wish in prompt
        assert "never said as a sentence" in prompt
    assert "(told only if asked)" in patient_system(persona)


def test_a_user_s_template_hides_that_of_the_harness(tmp_path: Path) -> None:
    (tmp_path / "act.jinja").write_text("My own therapist.", encoding="utf-8")
    assert therapist_system("act.jinja", [tmp_path]) == "My own therapist."
    assert therapist_system(str(tmp_path / "act.jinja")) == "My own therapist."


def test_a_template_that_is_not_there_gets_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match=r"no template 'actt\.jinja'.*did you mean act\.jinja"):
        therapist_system("actt.jinja")


def test_a_malformed_template_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.jinja").write_text("fine\n{% if %}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.jinja: line 2: "):
        render("bad.jinja", [tmp_path])


def test_an_unknown_variable_is_an_error_and_never_an_empty_string(tmp_path: Path, persona: Persona) -> None:
    (tmp_path / "mine.jinja").write_text("{{ persona.nane }}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prompt mine\.jinja: .*nane"):
        patient_system(persona, "mine.jinja", [tmp_path])


@pytest.mark.parametrize(
    "attack",
    [
        "{{ persona.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ render.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_template_can_t_reach_into_python(attack: str, tmp_path: Path, persona: Persona) -> None:
    (tmp_path / "attack.jinja").write_text(attack, encoding="utf-8")
    with pytest.raises(ConfigError):
        patient_system(persona, "attack.jinja", [tmp_path])


def test_a_persona_s_text_is_never_run_as_a_template(persona: Persona) -> None:
    sly = persona.model_copy(update={"history": "{{ 7 * 7 }} {% raw %}"})
    assert "{{ 7 * 7 }} {% raw %}" in patient_system(sly)


def test_a_template_outside_the_folders_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.jinja").write_text("secret", encoding="utf-8")
    with pytest.raises(ConfigError, match="no template"):
        render("../secret.jinja", [tmp_path / "in"])


def test_the_opening_greets_the_patient_and_leaves_it_to_them_to_begin(persona: Persona) -> None:
    opening = patient_opening(persona)
    assert persona.identity.name in opening
    assert opening.endswith("?")
    assert END not in opening


@pytest.mark.parametrize(("language", "asked"), [("en", None), ("en-GB", None), ("it", "Italian"), ("eu", "code eu")])
def test_a_persona_speaks_its_language(persona: Persona, language: str, asked: str | None) -> None:
    prompt = patient_system(persona.model_copy(update={"language": language}))
    assert ("Speak only" in prompt) == (asked is not None)
    assert asked is None or asked in prompt


def test_every_manner_has_its_words(persona: Persona) -> None:
    """A style or form added to the schema without words for the actor fails here and not in a run."""
    from harness.agents.prompt import LENGTH, RESISTANCE, STAGE, STYLE
    from harness.personas.schema import Length, Stage

    assert (set(STYLE), set(LENGTH)) == (set(Style), set(Length))
    assert (set(RESISTANCE), set(STAGE)) == (set(Resistance), set(Stage))


@pytest.mark.parametrize("exchanges", [1, 2, 3, 4, 5, 8, 20, 50])
def test_a_session_plan_runs_through_its_phases_in_order_and_ends_with_closing(exchanges: int) -> None:
    given = [plan_direction(exchange, exchanges) for exchange in range(exchanges)]
    words = [text for _, text in PLAN]
    phases = [words.index(text) for text in given if text]
    assert phases == sorted(phases)
    assert given[-1] == words[-1]
    assert END in words[-1]  # so that a session can end before its limit
    assert not any(END in text for text in words[:-1])
    assert given[0] is not None
    if exchanges >= 8:
        assert set(phases) == {0, 1, 2, 3}
        assert len([text for text in given if text and text != words[-1]]) == 3


def test_the_prompts_of_the_harness_leave_no_marks_in_their_text(persona: Persona) -> None:
    asked_with_other_values = ("summary", "handover", "appraisal", "self_check", "narrative", "memory")
    for path in PROMPTS.glob("*.jinja"):
        if path.stem.endswith(asked_with_other_values):
            continue
        name, _, language = path.stem.partition(".")
        spoken = persona.model_copy(update={"language": language or "en"})
        match name:
            case "patient":
                text = patient_system(spoken)
            case "opening":
                text = patient_opening(spoken)
            case _:
                text = render(path.name)
        assert "{{" not in text
        assert "\n\n\n" not in text


def test_a_file_given_by_its_path_includes_from_its_own_folder_and_from_ours(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jinja"
    mine.write_text('Begin. {% include "therapist_frame.jinja" %}')
    ours = render("therapist_frame.jinja", end="[END]")
    assert therapist_system(str(mine)) == f"Begin. {ours}"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "therapist_frame.jinja").write_text("My own frame.")
    other = tmp_path / "own" / "other.jinja"
    other.write_text('Begin again. {% include "therapist_frame.jinja" %}')
    assert therapist_system(str(other)) == "Begin again. My own frame."


def test_a_path_that_is_not_there_is_no_template_of_ours_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no template 'act\.jinja'"):
        therapist_system(str(tmp_path / "act.jinja"))
