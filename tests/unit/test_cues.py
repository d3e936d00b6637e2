"""Cues: whole words, meant by the therapist, in every language that has a table."""

from pathlib import Path

import pytest
import yaml

from harness.agents.cues import languages, read, table

LINES = yaml.safe_load((Path(__file__).parents[1] / "fixtures" / "cue_lines.yaml").read_text(encoding="utf-8"))


def heard_kinds(text: str, after: str = "", language: str = "en") -> set[str]:
    cues = table(language)
    assert cues is not None
    return {hit.kind for hit in cues.find(read(text), after)}


def test_the_table_has_enough_lines_and_half_of_them_are_traps() -> None:
    traps = sum("trap" in line for line in LINES)
    assert len(LINES) >= 120
    assert 0.4 <= traps / len(LINES) <= 0.6


@pytest.mark.parametrize(
    "line", LINES, ids=lambda line: f"{line['kind']}-{str(line.get('cue') or line.get('trap'))[:40]}"
)
def test_a_line_is_heard_for_what_it_is(line: dict[str, str]) -> None:
    text = line.get("cue") or line["trap"]
    assert (line["kind"] in heard_kinds(text, line.get("after", ""))) == ("cue" in line)


def test_a_language_without_a_table_has_none_and_is_not_guessed() -> None:
    assert table("xx") is None
    assert table("en-GB") is table("en-GB")
    assert "en" in languages()


@pytest.mark.parametrize("text", ["", "...", "\u202e", "?" * 50, "''", '"' * 9, "a" * 5000])
def test_any_text_can_be_read(text: str) -> None:
    cues = table("en")
    assert cues is not None
    assert cues.find(read(text)) == []


@pytest.mark.parametrize("text", ["So you are tired...?", "What!?", "Alone…?", "Really?!", "Stop. ?"])
def test_a_question_mark_after_another_mark_asks(text: str) -> None:
    assert [question for _, _, question in read(text).sentences] == [True]


def test_a_question_mark_on_its_own_line_asks_nothing() -> None:
    assert [question for _, _, question in read("I see.\n?").sentences] == [False]
