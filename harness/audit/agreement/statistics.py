"""Measures of agreement between two codings, with intervals.

Sources: kappa (Cohen 1960); area under the curve as the probability that a session of the high group has a higher value
than one of the others (Hanley & McNeil 1982); percentile intervals by resampling whole sessions (Efron & Tibshirani
1993). A measure that is not defined is NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
RESAMPLES = 1000
LEVEL = 0.95
_SAME = 1e-9
"""Shares are equal, apart from rounding, if their range is at most this."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95% interval; each None if it can't be computed."""

    value: float | None
    interval: tuple[float, float] | None


def precision(truth: Flags, found: Flags) -> float:
    return _ratio(float((truth & found).sum()), float(found.sum()))


def recall(truth: Flags, found: Flags) -> float:
    return _ratio(float((truth & found).sum()), float(truth.sum()))


def f1(truth: Flags, found: Flags) -> float:
    return _ratio(2.0 * float((truth & found).sum()), float(truth.sum() + found.sum()))


def kappa(truth: Flags, found: Flags) -> float:
    """Cohen's kappa of two yes-or-no codings."""
    if not truth.size:
        return float("nan")
    agreed = float((truth == found).mean())
    a, b = float(truth.mean()), float(found.mean())
    chance = a * b + (1 - a) * (1 - b)
    return _ratio(agreed - chance, 1 - chance)


def correlation(a: Values, b: Values) -> float:
    """Pearson's correlation of shares; NaN with fewer than three pairs or without variation on one side."""
    if a.size < 3 or np.ptp(a) <= _SAME or np.ptp(b) <= _SAME:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def area(high: Flags, values: Values) -> float:
    """Area under the ROC curve of `values` for the high group; ties count half."""
    highs, others = values[high], values[~high]
    if not highs.size or not others.size:
        return float("nan")
    above = (highs[:, None] > others[None, :]).mean() + 0.5 * (highs[:, None] == others[None, :]).mean()
    return float(above)


def by_session(measure: Callable[[Sequence[int]], float], sessions: int, seed: int = 0) -> Estimate:
    """`measure` over all session indices, with an interval from `RESAMPLES` resamples of the sessions."""
    value = measure(range(sessions))
    if isnan(value):
        return Estimate(None, None)
    draw = np.random.default_rng(seed)
    resampled = (
        [measure(draw.integers(0, sessions, sessions).tolist()) for _ in range(RESAMPLES)] if sessions > 1 else []
    )
    known = [one for one in resampled if not isnan(one)]
    if len(known) < RESAMPLES // 2:
        return Estimate(round(value, 4), None)
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(round(value, 4), (round(float(low), 4), round(float(high), 4)))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
