"""An interval says what it claims: it holds the truth as often as it says, and there is none where none can be had."""

import numpy as np
import pytest
from scipy import stats

from harness.comparison.bootstrap import FEWEST, RESAMPLES, Sample, adjusted, estimates, resamples_for

RANDOM = np.random.default_rng(20)
SAMPLES = {
    "normal": RANDOM.normal(0.3, 1, 30),
    "skewed": RANDOM.exponential(2, 12),
    "shares": RANDOM.binomial(12, 0.8, 40) / 12 - RANDOM.binomial(12, 0.6, 40) / 12,
    "counts": RANDOM.poisson(2, 25).astype(np.float64),
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_the_quantile_is_that_of_scipys_bootstrap(sample: Sample) -> None:
    """scipy draws the same studentized mean; its 95% quantile gives the same interval, up to the chance of drawing."""
    mean = sample.mean()

    def ratio(drawn: Sample, axis: int) -> Sample:
        ratios: Sample = np.abs(drawn.mean(axis=axis) - mean) / drawn.std(axis=axis)
        return ratios

    drawn = stats.bootstrap((sample,), ratio, n_resamples=20_000, method="percentile", rng=1)
    half = np.quantile(drawn.bootstrap_distribution, 0.95) * sample.std()
    (found,) = estimates([sample], resamples=19_999)
    assert found.interval is not None
    assert found.interval == pytest.approx((mean - half, mean + half), abs=0.04 * half)


@pytest.mark.parametrize("sample", [RANDOM.normal(0.3, 1, 400), RANDOM.gamma(4, 1, 400)], ids=["normal", "gamma"])
def test_with_many_values_it_is_the_interval_of_scipy(sample: Sample) -> None:
    """Where the methods must agree, they do: scipy's BCa interval on the same data."""
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=9999, method="BCa", rng=1).confidence_interval
    (found,) = estimates([sample])
    assert found.interval == pytest.approx(tuple(theirs), abs=0.08 * (theirs.high - theirs.low))


@pytest.mark.parametrize("shift", np.linspace(-1, 1, 21))
def test_p_is_at_most_5_percent_just_where_the_interval_leaves_out_0(shift: float) -> None:
    found = estimates([sample - sample.mean() + shift * sample.std() for sample in SAMPLES.values()])
    for estimate in found:
        assert estimate.interval is not None
        assert (estimate.p <= 0.05) == (not estimate.interval[0] <= 0 <= estimate.interval[1])


def test_the_same_seed_gives_the_same_numbers_whatever_is_computed_beside() -> None:
    alone = estimates([SAMPLES["shares"]], seed=3)[0]
    beside = estimates([*SAMPLES.values(), *[RANDOM.normal(size=40) for _ in range(200)]], seed=3)[2]
    assert alone.p == beside.p
    assert alone.interval == pytest.approx(beside.interval, abs=1e-12)
    assert estimates([SAMPLES["shares"]], seed=4)[0].interval != alone.interval


def test_too_few_values_have_a_mean_and_no_interval() -> None:
    few, enough = estimates([np.arange(FEWEST - 1, dtype=np.float64), np.arange(FEWEST, dtype=np.float64)])
    assert (few.mean, few.interval, few.p) == (2.0, None, 1.0)
    assert enough.interval is not None


def test_rare_values_have_no_interval_that_hides_how_rare_they_are() -> None:
    """With one session of thirty that differs, a third of all draws miss it: nothing can be said."""
    once, often = np.zeros(30), np.zeros(30)
    once[0], often[:10] = 3.0, np.arange(1.0, 11.0)
    rare, common = estimates([once, often])
    assert rare.interval is None
    assert rare.p > 0.05
    assert common.interval is not None


@pytest.mark.parametrize(("size", "p"), [(5, 1.0), (6, 1 / 32), (10, 1 / 512)])
def test_the_same_difference_in_every_pair_is_tested_by_its_signs(size: int, p: float) -> None:
    (found,) = estimates([np.full(size, 0.1 + 0.2)])
    assert (found.constant, found.interval, found.p) == (True, None, p)
    assert estimates([np.zeros(size)])[0].p == 1.0


def test_rounding_is_no_difference() -> None:
    """0.1 + 0.2 and 0.3 are one number: a spread of 1e-17 is no evidence."""
    (found,) = estimates([np.array([0.1 + 0.2, 0.3] * 10)])
    assert found.constant


def test_an_empty_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="without values"):
        estimates([np.array([])])


def test_the_correction_is_that_of_scipy() -> None:
    p = np.round(RANDOM.beta(0.5, 3, 60), 3)
    assert adjusted(p.tolist()) == pytest.approx(stats.false_discovery_control(p))
    assert adjusted([0.04, 0.001, 0.03]) == pytest.approx([0.04, 0.003, 0.04])
    assert adjusted([]) == []


def test_one_clear_difference_among_thousands_can_still_be_found() -> None:
    """The least possible p-value leaves room for the correction."""
    for comparisons in (1, 15, 5000):
        assert comparisons / (resamples_for(comparisons) + 1) <= 0.025
    assert resamples_for(15) == RESAMPLES
