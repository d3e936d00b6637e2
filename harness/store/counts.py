"""Corrects the counts and durations of a turn: what a server or an engine reports may be NaN, negative or 1e30.

Invariant: a wrong number never makes a line unreadable. It is corrected when it is written, and again when it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from operator import attrgetter
from typing import Any

from harness.types import Turn

_COUNTS = (
    *("prompt_tokens", "cached_tokens", "completion_tokens", "max_new_tokens", "max_model_len"),
    *("evicted_turns", "summary_tokens"),
)
_MEASURES = (*_COUNTS, "latency_s")
_measures = attrgetter(*_MEASURES)
_MOST = 2**53
"""Larger numbers are not valid counts; JSON readers of other languages lose digits from here on, too."""


def _count(value: object) -> int:
    try:
        number = int(value) if isinstance(value, int | float | str) else 0
    except (ValueError, OverflowError):
        return 0
    return number if 0 <= number < _MOST else 0


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _MOST and isfinite(value) else 0.0


def _wrong(read: Mapping[str, Any]) -> dict[str, Any]:
    """The invalid counts and durations of a turn, corrected; mostly empty."""
    wrong: dict[str, Any] = {}
    for name in _COUNTS:
        value = read.get(name, 0)
        if name == "cached_tokens" and value is None:
            continue  # the server does not report it
        if type(value) is not int or not 0 <= value < _MOST:
            wrong[name] = _count(value)
    seconds = read.get("latency_s", 0.0)
    if type(seconds) is not float or not isfinite(seconds):
        wrong["latency_s"] = _seconds(seconds)
    return wrong


def mended(turn: Turn) -> Turn:
    """The turn with valid counts and durations; an invalid one, such as NaN or 1e30, becomes 0."""
    *counts, seconds = measures = _measures(turn)
    if type(seconds) is float and isfinite(seconds) and {*map(type, counts)} == {int} and _are_counts(counts):
        return turn  # fast path: nearly all turns are valid, and this is called four times per turn
    wrong = _wrong(dict(zip(_MEASURES, measures, strict=True)))
    return replace(turn, **wrong) if wrong else turn


def _are_counts(numbers: Sequence[int]) -> bool:
    return min(numbers) >= 0 and max(numbers) < _MOST


def are_numbers(value: object) -> bool:
    """Whether all numbers in a value are finite and in range."""
    if isinstance(value, Mapping):
        return all(map(are_numbers, value.values()))
    if isinstance(value, list):
        return all(map(are_numbers, value))
    return not isinstance(value, int | float) or (abs(value) < 1e15 and isfinite(value))


def mended_fields(read: object) -> object:
    """The JSON object of a turn with valid counts and durations; an invalid patient state becomes None."""
    if not isinstance(read, Mapping):
        return read
    wrong = _wrong(read)
    state = read.get("patient_state")
    if not isinstance(state, Mapping | None) or not are_numbers(state):
        wrong["patient_state"] = None
    return {**read, **wrong} if wrong else read
