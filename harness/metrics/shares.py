"""Means, deviations and shares for metrics: None if there is nothing to compute them from."""

from collections.abc import Sequence
from math import sqrt


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation; None with fewer than two values."""
    if len(values) < 2:
        return None
    centre = sum(values) / len(values)
    return sqrt(sum((value - centre) ** 2 for value in values) / (len(values) - 1))


def share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
