"""Agreement of two codings in numbers, with intervals.

Sources: kappa (Cohen 1960); area under the curve as the chance that one of the high group is above one of the others
(Hanley & McNeil 1982); intervals by resampling whole sessions (Efron & Tibshirani 1993, percentiles).
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value in its scale's range and its 95% interval; None where it can't be computed."""

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
    """Pearson's; nan below three pairs or where one side doesn't vary."""
    if a.size < 3 or not a.std() or not b.std():
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def area(high: Flags, values: Values) -> float:
    """Area under the ROC curve of `values` for telling the high group; ties count half."""
    ours, others = values[high], values[~high]
    if not ours.size or not others.size:
        return float("nan")
    above = (ours[:, None] > others[None, :]).mean() + 0.5 * (ours[:, None] == others[None, :]).mean()
    return float(above)


def by_session(measure: Callable[[Sequence[int]], float], sessions: int, seed: int = 0) -> Estimate:
    """`measure` over all sessions (by their places), and over sessions drawn again and again."""
    value = measure(range(sessions))
    if isnan(value):
        return Estimate(None, None)
    draw = np.random.default_rng(seed)
    again = [measure(draw.integers(0, sessions, sessions).tolist()) for _ in range(RESAMPLES)] if sessions > 1 else []
    known = [one for one in again if not isnan(one)]
    if len(known) < RESAMPLES // 2:
        return Estimate(round(value, 4), None)
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(round(value, 4), (round(float(low), 4), round(float(high), 4)))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
