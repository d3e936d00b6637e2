"""A text that is too long is cut in its middle, visibly, within its bound, and always in the same way."""

import re

import pytest

from harness.context.render.shorten import shorten


def words(text: str) -> int:
    return len(text.split())


def test_a_text_within_its_bound_is_left_alone() -> None:
    assert shorten("one two three", 3, words) == "one two three"


def test_the_middle_goes_and_the_mark_says_how_much() -> None:
    text = " ".join(f"w{i}" for i in range(1000))
    short = shorten(text, 100, words)
    found = re.fullmatch(r"(w0 .*) \[\.\.\. (\d+) words left out \.\.\.\] (.* w999)", short)
    assert found is not None
    assert int(found[2]) == 1000 - words(found[1]) - words(found[3])
    assert 80 < words(short) <= 100
    assert shorten(text, 100, words) == short
    assert shorten(short, 100, words) == short


@pytest.mark.parametrize("bound", [1, 2, 5, 7, 20])
@pytest.mark.parametrize("text", ["word " * 500, "x" * 2000, "日本語" * 400, "🙂" * 300, "\n" * 500])
def test_no_bound_is_exceeded_however_small(text: str, bound: int) -> None:
    for count in (len, words):
        assert count(shorten(text, bound, count)) <= bound


def test_a_text_without_spaces_counts_characters() -> None:
    assert "characters left out" in shorten("x" * 2000, 100, len)
