"""`harness personas`: what a user sees and what is written."""

import argparse
import json
from pathlib import Path

import pytest

from harness.cli import personas
from harness.errors import ConfigError, PersonaError
from harness.personas.library import load


def call(*words: str) -> int:
    parser = argparse.ArgumentParser()
    personas.add_arguments(parser)
    return personas.main(parser.parse_args(words))


def test_list_gives_a_line_for_each_persona_of_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", "--problem", "ocd") == 0
    lines = capsys.readouterr().out.splitlines()
    ids = [line.split()[0] for line in lines]
    assert ids == ["cardigan-thoughts", "father-with-unwanted-thoughts", "forty-photos-of-the-stove"]


def test_list_as_json_can_be_read_by_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    call("list", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) >= 30
    assert {"id", "summary", "problems", "risk"} <= set(rows[0])


def test_show_gives_the_yaml_or_the_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    call("show", "two-cups")
    assert "id: two-cups" in capsys.readouterr().out
    call("show", "two-cups", "--prompt")
    full = capsys.readouterr().out
    call("show", "two-cups", "--prompt", "--brief")
    brief = capsys.readouterr().out
    assert full.startswith("You are Arthur, 79")
    assert len(brief) < 0.85 * len(full)


def test_new_makes_a_valid_persona_and_never_writes_over_one(tmp_path: Path) -> None:
    call("new", "my-patient", "--dir", str(tmp_path))
    assert load(["my-patient"], [tmp_path])[0].id == "my-patient"
    with pytest.raises(PersonaError, match="already exists"):
        call("new", "my-patient", "--dir", str(tmp_path))


@pytest.mark.parametrize("bad", ["My Patient", "../up", "a/b", "-"])
def test_new_refuses_an_id_that_can_t_be_a_file_name(bad: str, tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="id: expected"):
        call("new", "--dir", str(tmp_path), "--", bad)
    assert not list(tmp_path.iterdir())


def test_validate_takes_the_library_folders_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("validate") == 0
    assert "personas valid" in capsys.readouterr().out
    call("new", "mine", "--dir", str(tmp_path))
    assert call("validate", str(tmp_path), str(tmp_path / "mine.yaml")) == 0
    (tmp_path / "mine.yaml").write_text("version: 1", encoding="utf-8")
    with pytest.raises(PersonaError, match=r"mine\.yaml: id: missing"):
        call("validate", str(tmp_path))


def test_validate_says_where_a_folder_has_nothing_to_validate(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="no persona files"):
        call("validate", str(tmp_path))


def test_sample_writes_files_that_validate(tmp_path: Path) -> None:
    assert call("sample", "5", "--seed", "3", "--out", str(tmp_path / "new")) == 0
    assert len(load("all", [tmp_path / "new"])) == 5


def test_sample_refuses_fewer_than_one() -> None:
    with pytest.raises(ConfigError, match="from 1 on, found 0"):
        call("sample", "0")


def test_schema_is_a_json_schema_with_every_field_described(capsys: pytest.CaptureFixture[str]) -> None:
    call("schema")
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Layer"]["properties"]["trust"]["description"]
