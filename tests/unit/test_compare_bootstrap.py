"""Intervals and p-values of means: rounding decides nothing."""

import numpy as np
import pytest

from harness.comparison.bootstrap import estimates

COUNTS = ((0, 0, 0, 0, 1, 1), (-1, 0, 1, 2, 2, 2), (0, 0, 0, 3, 3, 6), (-1, 0, 0, 1, 1, 1, 2))


@pytest.mark.parametrize("values", COUNTS)
def test_p_of_a_few_distinct_values_does_not_depend_on_unit_or_company(values: tuple[int, ...]) -> None:
    """Many |t*| equal |m| / se here; all of them count."""
    sample = np.array(values, dtype=np.float64)
    beside = [np.random.default_rng(seed).normal(size=len(values)) for seed in range(9)]
    (alone,) = estimates([sample])
    for scale in (1.0, 1 / 3, 0.1, 7.0):
        for found in (estimates([scale * sample])[0], estimates([*beside, scale * sample])[-1]):
            assert found.p == alone.p
            assert found.interval == (alone.interval and pytest.approx([scale * end for end in alone.interval]))


@pytest.mark.parametrize("values", COUNTS)
def test_p_counts_the_resamples_that_are_as_extreme_as_the_sample(values: tuple[int, ...]) -> None:
    """Against all resamples, in whole numbers: t* = (n sum* - n sum) / sqrt(n squares* - sum*^2) has no rounding."""
    sample, size = np.array(values, dtype=np.int64), len(values)
    drawn = sample[np.indices((size,) * size).reshape(size, -1)]
    sums, squares = drawn.sum(axis=0), (drawn**2).sum(axis=0)
    mean, variance = int(sample.sum()), size * int((sample**2).sum()) - int(sample.sum()) ** 2
    exact = ((sums - mean) ** 2 * variance >= mean**2 * (size * squares - sums**2)) & (
        (size * squares > sums**2) | (sums != mean)
    )
    (found,) = estimates([sample.astype(np.float64)], resamples=39_999)
    assert found.p == pytest.approx(exact.mean(), abs=0.01)
