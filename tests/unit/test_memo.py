"""Results are remembered, within a bound, and an error is not."""

import pytest

from harness.text.memo import MOST, memo


def test_a_result_is_computed_once() -> None:
    asked: list[str] = []

    @memo
    def length(word: str) -> int:
        asked.append(word)
        return len(word)

    assert [length(word) for word in ("tired", "of", "tired")] == [5, 2, 5]
    assert asked == ["tired", "of"]


def test_memory_has_a_bound() -> None:
    asked: list[int] = []

    @memo
    def half(number: int) -> float:
        asked.append(number)
        return number / 2

    for number in range(MOST):
        half(number)
    half(0)
    assert len(asked) == MOST
    half(MOST)
    half(0)
    assert asked[MOST:] == [MOST, 0]


def test_an_error_is_not_remembered() -> None:
    given = iter((0, 2))

    @memo
    def inverse(_: str) -> float:
        return 1 / next(given)

    with pytest.raises(ZeroDivisionError):
        inverse("a")
    assert inverse("a") == 0.5
