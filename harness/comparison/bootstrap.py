"""Intervals and p-values of means, and their correction for many comparisons. Method and sources in docs/compare.md.

The interval of a mean is the symmetric bootstrap-t (Hall 1988): the observed mean, plus and minus the quantile of
|t*| times its standard error, where t* = (m* - m) / se* over samples drawn with replacement. The p-value is the share
of |t*| that are at least |m| / se, so that it is at most 5% just where the 95% interval leaves out 0.

Invariants:
- The same samples under the same seed give the same numbers, whatever is computed beside them.
- Where the data can't carry an interval there is none: no interval is made up.
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
"""At least; (RESAMPLES + 1) * LEVEL is whole, as the quantile wants it (Davison & Hinkley 1997, ch. 5)."""
FEWEST = 6
"""Values that an interval takes: below six not even the sign test can reach 5%."""
_CELLS = 1 << 22
"""Numbers held at once while drawing."""
_COLUMNS = 128
_SAME = 1e-9
"""Values that differ by less than this share of the greatest are the same number, rounded differently."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and what can be said of it."""

    n: int
    mean: float
    interval: tuple[float, float] | None
    """None below `FEWEST` values, where all are the same, and where too few differ from the rest."""
    p: float
    """Two-sided, of the mean being 0; 1 where nothing can be said."""
    constant: bool
    """All values are the same."""


def estimates(samples: Sequence[Sample], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Estimate]:
    """An estimate for each sample: the independent values of one quantity. Raises ValueError for an empty sample."""
    by_size: defaultdict[int, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        if not len(sample):
            raise ValueError("a sample without values has no mean")
        by_size[len(sample)].append(place)
    found: dict[int, Estimate] = {}
    for size, places in by_size.items():
        for start in range(0, len(places), _COLUMNS):
            block = places[start : start + _COLUMNS]
            values = np.column_stack([samples[place] for place in block])
            found.update(zip(block, _estimates(values, size, resamples, seed), strict=True))
    return [found[place] for place in range(len(samples))]


def resamples_for(comparisons: int) -> int:
    """So many that the smallest possible p-value, corrected for so many comparisons, is still well below 5%."""
    return max(RESAMPLES, 40 * comparisons - 1)


def adjusted(p: Sequence[float]) -> list[float]:
    """p-values corrected for being several, by the step-up rule of Benjamini & Hochberg (1995), in the order given.

    Of the comparisons at or below a level, at most this share is expected to be false.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(-values)
    ranks = np.arange(len(values), 0, -1)
    stepped = np.minimum.accumulate(values[order] * len(values) / ranks)
    result = np.empty_like(stepped)
    result[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in result]


def _estimates(values: Sample, size: int, resamples: int, seed: int) -> Iterator[Estimate]:
    """For each column of `values`, an array of (size, columns)."""
    means, deviations = values.mean(axis=0), values.std(axis=0)
    constant = deviations <= _SAME * np.abs(values).max(axis=0)
    varying = np.flatnonzero(~constant) if size >= FEWEST else np.array([], dtype=np.intp)
    half = np.full(values.shape[1], np.inf)
    p = np.ones(values.shape[1])
    if len(varying):
        spread = deviations[varying]
        ratios = _t_ratios((values[:, varying] - means[varying]) / spread, resamples, seed)
        half[varying] = np.partition(ratios, _rank(resamples), axis=0)[_rank(resamples)] * spread
        at_least = (ratios >= np.abs(means[varying]) / spread).sum(axis=0)
        p[varying] = (1 + at_least) / (resamples + 1)
    for mean, width, chance, same in zip(means, half, p, constant, strict=True):
        interval = (float(mean - width), float(mean + width)) if np.isfinite(width) else None
        p_value = _sign_test(size, float(mean)) if same else float(chance)
        yield Estimate(size, float(mean), interval, p_value, bool(same))


def _rank(resamples: int) -> int:
    """0-based place of the quantile among the sorted resamples."""
    return ceil(round(LEVEL * (resamples + 1), 6)) - 1


def _t_ratios(standard: Sample, resamples: int, seed: int) -> Sample:
    """|mean| / standard deviation of samples drawn from each column of `standard`, which has mean 0 and deviation 1.

    The factor of the square root of n is left out, here and where the ratios are used. A draw of n equal values has no
    deviation: infinite, so that rare values widen the interval, and end it where such draws are more than 5%.
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
    """How often each of `size` values is drawn, as arrays of (some resamples, size)."""
    random = np.random.default_rng([seed, size])
    rows = max(1, _CELLS // size)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = random.integers(0, size, (count, size)) + size * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)


def _sign_test(size: int, mean: float) -> float:
    """p-value where all values are the same: the chance that `size` signs agree."""
    return 1.0 if mean == 0 or size < FEWEST else 2.0 ** (1 - size)
