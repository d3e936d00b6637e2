"""Intraclass correlation, variance components, and how many raters a mean needs.

Sources: Shrout & Fleiss (Psychological Bulletin 86, 1979) for ICC(2,1) and ICC(2,k); McGraw & Wong (Psychological
Methods 1, 1996); Brennan, *Generalizability Theory* (2001), for components by expected mean squares.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
_SAME = 1e-9
"""Ratings are equal, apart from rounding, if their range is at most this share of the largest; mean squares likewise."""


@dataclass(frozen=True, slots=True)
class Icc:
    """Absolute agreement, two-way random effects."""

    single: float
    """ICC(2,1): one rater. NaN if it is not defined."""
    mean: float
    """ICC(2,k): the mean of the k raters."""
    units: int
    raters: int


def icc(ratings: ArrayLike) -> Icc:
    """ICC(2,1) and ICC(2,k) of (units, raters); units with a missing rating are left out. NaN if all ratings are equal."""
    table = np.atleast_2d(np.asarray(ratings, dtype=np.float64))
    table = table[~np.isnan(table).any(axis=1)]
    units, raters = table.shape
    if units < 2 or raters < 2:
        return Icc(float("nan"), float("nan"), units, raters)
    if float(np.ptp(table)) <= _SAME * float(np.abs(table).max()):
        return Icc(float("nan"), float("nan"), units, raters)
    grand = table.mean()
    of_units = raters * float(((table.mean(axis=1) - grand) ** 2).sum())
    of_raters = units * float(((table.mean(axis=0) - grand) ** 2).sum())
    rest = max(float(((table - grand) ** 2).sum()) - of_units - of_raters, 0.0)
    between, judges = of_units / (units - 1), of_raters / (raters - 1)
    error = rest / ((units - 1) * (raters - 1))
    true = 0.0 if isclose(between, error, rel_tol=_SAME) else between - error
    spread = (judges - error) / units
    single = between + (raters - 1) * error + raters * spread
    mean = between + spread
    return Icc(
        true / single if single > 0 else float("nan"),
        true / mean if mean > 0 else float("nan"),
        units,
        raters,
    )


def spearman_brown(reliability: float, times: float) -> float:
    """Reliability of the mean of `times` as many ratings (Spearman 1910; Brown 1910).

    NaN where the formula has no meaning: ratings so contrary that the variance of their mean would not be positive.
    """
    variance = 1 + (times - 1) * reliability
    return times * reliability / variance if variance > 0 else float("nan")


def raters_needed(reliability: float, target: float = 0.8) -> float:
    """How many ratings of this reliability the mean needs to reach `target`; NaN if no number is enough.

    Not rounded: 2.3 means three raters.
    """
    if not 0 < reliability < 1:
        return 1.0 if reliability >= 1 else float("nan")
    return target * (1 - reliability) / (reliability * (1 - target))


def variance_components(values: ArrayLike, facets: Sequence[str]) -> dict[str, float]:
    """Variance of each facet of a fully crossed array (one axis per facet), and the `residual` with all interactions.

    Estimated by expected mean squares; a negative estimate is reported as 0 (Brennan 2001, ch. 3). A facet with one
    level has no variance to estimate: NaN. Units (axis 0) with a missing value are left out.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != len(facets):
        raise ValueError(f"expected one axis for each of {', '.join(facets)}, found {table.ndim} axes")
    axes = tuple(range(1, table.ndim))
    table = table[~np.isnan(table).any(axis=axes)]
    if table.size == 0 or len(table) < 2:
        return dict.fromkeys([*facets, "residual"], float("nan"))
    grand = table.mean()
    total = float(((table - grand) ** 2).sum())
    squares: list[float] = []
    for axis, levels in enumerate(table.shape):
        means = table.mean(axis=tuple(other for other in range(table.ndim) if other != axis))
        squares.append(table.size / levels * float(((means - grand) ** 2).sum()))
    freedom = table.size - 1 - sum(levels - 1 for levels in table.shape)
    error = max(total - sum(squares), 0.0) / freedom if freedom > 0 else float("nan")
    found: dict[str, float] = {}
    for facet, levels, square in zip(facets, table.shape, squares, strict=True):
        component = (square / (levels - 1) - error) / (table.size / levels) if levels > 1 else float("nan")
        found[facet] = component if np.isnan(component) else max(component, 0.0)
    return {**found, "residual": error}


def bootstrap_by_group(
    statistic: Callable[[NDArray[np.intp]], Mapping[str, float]],
    groups: Sequence[Hashable],
    *,
    resamples: int = 999,
    seed: int = 0,
    level: float = 0.95,
    fewest: int = 6,
) -> dict[str, tuple[float, float] | None]:
    """Percentile intervals of statistics under resampling of whole groups (personas, or courses), not of sessions.

    `statistic` gets the indices of the drawn units. The interval is None with fewer than `fewest` groups, and if the
    statistic is defined in fewer than nine of ten resamples.
    """
    places: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    members = [np.asarray(of_group, dtype=np.intp) for of_group in places.values()]
    names = list(statistic(np.arange(len(groups), dtype=np.intp))) if groups else []
    if len(members) < fewest:
        return dict.fromkeys(names)
    random = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(resamples):
        chosen = random.integers(0, len(members), len(members))
        for name, value in statistic(np.concatenate([members[place] for place in chosen])).items():
            drawn[name].append(value)
    return {name: _percentiles(np.asarray(values), level) for name, values in drawn.items()}


def _percentiles(values: Array, level: float) -> tuple[float, float] | None:
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * len(values):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
