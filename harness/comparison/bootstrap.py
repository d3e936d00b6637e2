"""Confidence intervals and p-values of means, and the multiple-comparison correction. Sources: docs/statistics.md.

The interval of a mean is the symmetric bootstrap-t (Hall 1988): the observed mean plus and minus q standard errors,
where q is the 95% quantile of |t*|, and t* = (m* - m) / se* over samples drawn with replacement. The p-value is the
share of |t*| that are at least |m| / se. It is at most 5% exactly when the 95% interval excludes 0.

Invariants:
- The same sample and seed give the same numbers, apart from rounding, whatever other samples are in the call, in
  whatever unit.
- If the data do not support an interval, there is none.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

Sample = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 9_999
"""The minimum. (RESAMPLES + 1) * LEVEL is an integer, so that the quantile is exact (Davison & Hinkley 1997, ch. 5)."""
FEWEST = 6
"""The fewest values for an interval: with fewer than six, not even the sign test can reach 5%."""
_CELLS = 1 << 22
"""Numbers in memory at once while drawing."""
_COLUMNS = 128
"""Samples computed at once."""
_SAME = 1e-9
"""Values are equal, apart from rounding, if their standard deviation is below this share of the largest.

The same share decides whether a |t*| equals |m| / se: with few distinct values many do, and rounding must not decide.
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval and its p-value."""

    n: int
    mean: float
    interval: tuple[float, float] | None
    """At 95%. None with fewer than `FEWEST` values, if all are equal, and if too few differ from the rest."""
    p: float
    """Two-sided, for the hypothesis that the mean is 0; 1 if no test is possible."""
    constant: bool
    """All values are equal."""


def estimates(samples: Sequence[Sample], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Estimate]:
    """An estimate for each sample, in order. A sample is the independent values of one quantity.

    Raises `ValueError` for an empty sample.
    """
    by_size: defaultdict[int, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        if not len(sample):
            raise ValueError("a sample without values has no mean")
        by_size[len(sample)].append(index)
    found: dict[int, Estimate] = {}
    for size, indices in by_size.items():
        for start in range(0, len(indices), _COLUMNS):
            block = indices[start : start + _COLUMNS]
            values = np.column_stack([samples[index] for index in block])
            found.update(zip(block, _estimates(values, size, resamples, seed), strict=True))
    return [found[index] for index in range(len(samples))]


def resamples_for(comparisons: int) -> int:
    """How many resamples to draw: enough that the smallest possible p-value is at most 2.5% after the correction."""
    return max(RESAMPLES, 40 * comparisons - 1)


def adjusted(p: Sequence[float]) -> list[float]:
    """The p-values, in order, with the multiple-comparison correction of Benjamini & Hochberg (1995), a step-up rule.

    Of the comparisons with a corrected p-value at or below a level, at most this share is expected to be false.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(-values)
    ranks = np.arange(len(values), 0, -1)
    stepped = np.minimum.accumulate(values[order] * len(values) / ranks)
    result = np.empty_like(stepped)
    result[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in result]


def _estimates(values: Sample, size: int, resamples: int, seed: int) -> Iterator[Estimate]:
    """An estimate for each column of `values`, an array of (size, columns)."""
    means, deviations = values.mean(axis=0), values.std(axis=0)
    constant = deviations <= _SAME * np.abs(values).max(axis=0)
    varying = np.flatnonzero(~constant) if size >= FEWEST else np.array([], dtype=np.intp)
    half = np.full(values.shape[1], np.inf)
    p = np.ones(values.shape[1])
    if len(varying):
        spread = deviations[varying]
        ratios = _t_ratios((values[:, varying] - means[varying]) / spread, resamples, seed)
        size_of_mean = np.abs(means[varying])
        at_least = (ratios >= size_of_mean / spread * (1 - _SAME)).sum(axis=0)
        p[varying] = (1 + at_least) / (resamples + 1)
        reach = np.partition(ratios, _rank(resamples), axis=0)[_rank(resamples)] * spread
        half[varying] = np.where(np.abs(reach - size_of_mean) <= _SAME * size_of_mean, size_of_mean, reach)
    for mean, width, chance, same in zip(means, half, p, constant, strict=True):
        interval = (float(mean - width), float(mean + width)) if np.isfinite(width) else None
        p_value = _sign_test(size, float(mean)) if same else float(chance)
        yield Estimate(size, float(mean), interval, p_value, bool(same))


def _rank(resamples: int) -> int:
    """0-based index of the quantile among the sorted resamples."""
    return ceil(round(LEVEL * (resamples + 1), 6)) - 1


def _t_ratios(standard: Sample, resamples: int, seed: int) -> Sample:
    """|mean| / standard deviation of each resample of each column: an array of (resamples, columns).

    Each column of `standard` has mean 0 and standard deviation 1. The factor sqrt(n) is left out, here and in the
    caller. A resample of equal values has no deviation, so its ratio is infinite. Rare values therefore widen the
    interval; if more than 5% of the resamples are such, there is no interval.
    """
    size, columns = standard.shape
    ratios = np.empty((resamples, columns))
    squares = standard**2
    done = 0
    for counts in _draws(size, resamples, seed):
        mean = counts @ standard / size
        variance = counts @ squares / size - mean**2
        flat = variance < _SAME
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = np.abs(mean) / np.sqrt(variance)
        drawn[flat] = np.where(np.abs(mean[flat]) < _SAME, 0.0, np.inf)
        ratios[done : done + len(counts)] = drawn
        done += len(counts)
    return ratios


def _draws(size: int, resamples: int, seed: int) -> Iterator[Sample]:
    """How often each of `size` values is drawn: arrays of (resamples of this block, size)."""
    random = np.random.default_rng([seed, size])
    rows = max(1, _CELLS // size)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = random.integers(0, size, (count, size)) + size * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)


def _sign_test(size: int, mean: float) -> float:
    """The p-value if all values are equal: the probability that `size` signs agree by chance."""
    return 1.0 if mean == 0 or size < FEWEST else 2.0 ** (1 - size)
