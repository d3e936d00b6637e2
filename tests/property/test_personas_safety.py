"""No persona and no prompt names a means of suicide, whoever wrote it and wherever it comes in."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness.__main__ import main
from harness.agents.prompt import PROMPTS, patient_opening, patient_system, therapist_system
from harness.errors import ConfigError, PersonaError
from harness.paths import persona_dir
from harness.personas import sampler
from harness.personas.library import load, read, to_yaml
from harness.personas.safety import means

[BASE] = load(["two-cups"], [persona_dir()])

NAMED = [
    "You keep a rope in the shed.", "There are pills in the drawer.", "You think of jumping off the bridge.", "You'd hang yourself.",
    "Du hast Tabletten gesammelt.", "Tienes las pastillas en el cajón.", "Tu as gardé des cachets.",
]  # fmt: skip
HARMLESS = [
    "You hang up the washing.", "You jump at every noise.", "You won't discuss how.", "You gripe about the price of bread.",
    "You dropped the plates.", "You hope not to wake.", "Du hängst die Wäsche auf.", "Vous pendez le linge ? Non.",
]  # fmt: skip


@pytest.mark.parametrize("text", NAMED)
def test_a_means_is_known(text: str) -> None:
    assert means(text) is not None


@pytest.mark.parametrize("text", HARMLESS)
def test_everyday_words_are_none(text: str) -> None:
    assert means(text) is None


@pytest.mark.parametrize("text", NAMED)
@pytest.mark.parametrize(
    "place", ["history", "disclosure.0.content", "values.0", "conceptualization.triggers.0.thought"]
)
def test_a_persona_that_names_one_is_refused_with_file_and_key(
    text: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = yaml.safe_load(to_yaml(BASE))
    node = data
    *way, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    for key in way:
        node = node[key]
    node[last] = text
    path = tmp_path / "two-cups.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(PersonaError) as caught:
        read(path)
    [line] = caught.value.lines
    assert str(path) in line
    assert place.split(".")[0] in line
    assert "names a means of suicide" in line
    assert main(["personas", "validate", str(path)]) == 2
    assert "names a means of suicide" in capsys.readouterr().err
    assert (
        main(["run", "engine=dry", f"persona_dir={tmp_path}", "personas=[two-cups]", f"run.dir={tmp_path / 'run'}"])
        == 2
    )
    assert not (tmp_path / "run").exists()


def test_the_library_and_what_is_sampled_from_it_name_none() -> None:
    every = [*load("all", [persona_dir()]), *sampler.sample(40, seed=3)]
    assert not [persona.id for persona in every if means(to_yaml(persona))]


@pytest.mark.parametrize("path", sorted(PROMPTS.glob("*.*")), ids=lambda path: path.name)
def test_no_prompt_of_ours_names_one(path: Path) -> None:
    assert means(path.read_text(encoding="utf-8")) is None


def test_a_prompt_of_a_user_s_own_that_names_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("Ask whether there is a rope in the house.")
    prompts: tuple[Callable[[], object], ...] = (
        lambda: therapist_system(str(path)),
        lambda: patient_system(BASE, str(path)),
        lambda: patient_opening(BASE, str(path)),
    )
    for refused in prompts:
        with pytest.raises(ConfigError, match=r"mine\.jinja: names a means of suicide \('rope'\)"):
            refused()
