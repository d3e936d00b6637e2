"""Agreement between raters on categories and scales, corrected for chance.

Sources: Krippendorff, *Content Analysis*, 4th ed. (2018), ch. 12; Gwet, *Handbook of Inter-Rater Reliability*,
4th ed. (2014); Cohen (Psychological Bulletin 70, 1968).

Invariants:
- Units with fewer than two ratings contain no information on agreement and are left out.
- A coefficient that is not defined (nothing to compare, or no variation) is NaN, never 0 or 1.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["identity", "linear", "quadratic", "ordinal"]


def counts_of(ratings: ArrayLike, categories: Sequence[float] | None = None) -> tuple[Array, Array]:
    """How many raters chose each category, as (units, categories), and the categories in ascending order.

    `categories` are all possible ones; default: those that occur. Raises ValueError for a rating outside them.
    """
    table = np.atleast_2d(np.asarray(ratings, dtype=np.float64))
    present = table[~np.isnan(table)]
    values = np.unique(present) if categories is None else np.unique(np.asarray(categories, dtype=np.float64))
    if unknown := set(present.tolist()) - set(values.tolist()):
        raise ValueError(f"ratings outside the categories: {sorted(unknown)}")
    counts = np.stack([(table == value).sum(axis=1) for value in values], axis=1) if len(values) else table[:, :0]
    return counts.astype(np.float64), values


def krippendorff_alpha(
    ratings: ArrayLike, level: Level = "ordinal", categories: Sequence[float] | None = None
) -> float:
    """Krippendorff's alpha of (units, raters); NaN if fewer than two categories occur among pairable ratings."""
    counts, values = counts_of(ratings, categories)
    return alpha_of_counts(counts, values, level)


def alpha_of_counts(counts: Array, values: Array, level: Level) -> float:
    """Alpha from how many raters chose each category (units, categories)."""
    raters = counts.sum(axis=1)
    counts = counts[raters >= 2]
    if not len(counts):
        return float("nan")
    scaled = counts / (counts.sum(axis=1, keepdims=True) - 1)
    coincidences = scaled.T @ counts - np.diag(scaled.sum(axis=0))
    margins = coincidences.sum(axis=0)
    total = margins.sum()
    distance = _distance(margins, values, level)
    expected = float((np.outer(margins, margins) * distance).sum()) / (total - 1)
    return 1 - float((coincidences * distance).sum()) / expected if expected > 0 else float("nan")


def _distance(margins: Array, values: Array, level: Level) -> Array:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    ranks = np.cumsum(margins) - margins / 2
    return np.asarray((ranks[:, None] - ranks[None, :]) ** 2)


def gwet_ac(ratings: ArrayLike, weights: Weights = "identity", categories: Sequence[float] | None = None) -> float:
    """Gwet's AC1 (`identity`) or AC2 (other weights) of (units, raters); NaN with one category or nothing to pair."""
    counts, values = counts_of(ratings, categories)
    return ac_of_counts(counts, values, weights)


def ac_of_counts(counts: Array, values: Array, weights: Weights) -> float:
    """AC1 or AC2 from how many raters chose each category (units, categories)."""
    size = len(values)
    counts = counts[counts.sum(axis=1) >= 1]
    raters = counts.sum(axis=1)
    paired = raters >= 2
    if size < 2 or not paired.any():
        return float("nan")
    weight = weight_matrix(values, weights)
    pairs, of_unit = counts[paired], raters[paired]
    agreeing = (pairs * (pairs @ weight - 1)).sum(axis=1) / (of_unit * (of_unit - 1))
    chosen = (counts / raters[:, None]).mean(axis=0)
    chance = float(weight.sum()) / (size * (size - 1)) * float((chosen * (1 - chosen)).sum())
    return (float(agreeing.mean()) - chance) / (1 - chance)


def weight_matrix(values: Array, weights: Weights) -> Array:
    """How far two categories agree, 1 on the diagonal (Gwet 2014, ch. 3)."""
    size = len(values)
    if weights == "identity":
        return np.eye(size)
    if weights == "ordinal":
        place = np.arange(size)
        span = np.abs(place[:, None] - place[None, :]) + 1
        steps = span * (span - 1) / 2
        return np.asarray(1 - steps / (size * (size - 1) / 2))
    apart = np.abs(values[:, None] - values[None, :]) / (values[-1] - values[0])
    return np.asarray(1 - (apart if weights == "linear" else apart**2))


def weighted_kappa(
    first: ArrayLike, second: ArrayLike, weights: Weights = "quadratic", categories: Sequence[float] | None = None
) -> float:
    """Cohen's weighted kappa of two raters over the units that both rated; NaN if chance agreement is complete.

    Categories count by their value for `linear` and `quadratic`; evenly spaced ones give what ranks would.
    """
    pair = np.column_stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    pair = pair[~np.isnan(pair).any(axis=1)]
    values = np.unique(pair) if categories is None else np.unique(np.asarray(categories, dtype=np.float64))
    if len(pair) == 0 or len(values) < 2:
        return float("nan")
    table = np.zeros((len(values), len(values)))
    np.add.at(table, (np.searchsorted(values, pair[:, 0]), np.searchsorted(values, pair[:, 1])), 1.0)
    apart = 1 - weight_matrix(values, weights)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(pair)
    chance = float((apart * expected).sum())
    return 1 - float((apart * table).sum()) / chance if chance > 0 else float("nan")


def flip_rate(answers: ArrayLike) -> float:
    """Share of pairs of repeats of one unit that disagree, averaged over units; NaN without a pair.

    `answers` are numbers of answers as (units, repeats).
    """
    counts, _ = counts_of(answers)
    repeats = counts.sum(axis=1)
    paired = repeats >= 2
    if not paired.any():
        return float("nan")
    n = repeats[paired]
    same = (counts[paired] * (counts[paired] - 1)).sum(axis=1) / (n * (n - 1))
    return float(1 - same.mean())
