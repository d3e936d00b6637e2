"""Text that is safe to show, and says what it was."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.cli
from harness.text.visible import csv_cell, one_line, to_json, visible

HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_nothing_harmful_is_left_and_the_rest_is_as_it_was(text: str) -> None:
    shown = visible(text)
    assert not HARMFUL.search(shown)
    assert visible(shown) == shown
    shown.encode()
    if not HARMFUL.search(text):
        assert shown == text


@given(ANY)
def test_a_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\u202eb", r"a\u202eb"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("\x9b5m\x00", r"\x9b5m\x00"),
        ("\udcff", r"\udcff"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("שלום 👩‍👧 é", "שלום 👩‍👧 é"),
    ],
)
def test_what_is_escaped_can_be_read(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_blanks_inside_a_line_stay() -> None:
    assert one_line("a  b\n  c") == "a  b c"


def test_a_long_run_of_blanks_costs_no_more_than_other_text() -> None:
    text = "a" + " " * 50_000 + "b"
    began = time.process_time()
    assert one_line(text) == text
    assert time.process_time() - began < 1.0


@given(st.text("a \t\n\r\v\u2028"))
def test_a_line_break_and_all_blanks_around_it_are_one_blank(text: str) -> None:
    assert one_line(text) == visible(re.sub(r"[ \t]*[\n\r\v\u2028]\s*", " ", text.rstrip()))


@given(st.recursive(st.none() | st.integers() | ANY, lambda inner: st.lists(inner) | st.dictionaries(ANY, inner)))
def test_json_shows_nothing_harmful_and_reads_back_the_same(value: object) -> None:
    text = to_json(value)
    assert not HARMFUL.search(text)
    assert json.loads(text) == value


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert str(csv_cell(text)).startswith("'")


@pytest.mark.parametrize("value", [-1.5, 3, None, "a=1", "x"])
def test_other_cells_stay(value: object) -> None:
    assert csv_cell(value) == value


def test_no_command_prints_past_it() -> None:
    """Every command says what it says through `say`, so that no text of a model or of a file reaches a terminal raw."""
    folder = Path(harness.cli.__file__).parent
    raw = [
        path.name for path in folder.glob("*.py") if re.search(r"(?<![.\w])print\(", path.read_text(encoding="utf-8"))
    ]
    assert raw == []
