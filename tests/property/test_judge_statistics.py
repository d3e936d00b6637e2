"""Properties that any coefficient of agreement must have, over random ratings with holes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.judges.statistics.agreement import flip_rate, gwet_ac, krippendorff_alpha, weighted_kappa
from harness.judges.statistics.distributions import beta_cdf
from harness.judges.statistics.intervals import clopper_pearson
from harness.judges.statistics.reliability import icc, variance_components

Ratings = NDArray[np.float64]


@st.composite
def tables(draw: st.DrawFn, holes: bool = True) -> Ratings:
    units, raters = draw(st.integers(1, 12)), draw(st.integers(2, 5))
    cell = st.integers(0, 3).map(float)
    values = st.one_of(cell, st.just(float("nan"))) if holes else cell
    return np.array(draw(st.lists(st.lists(values, min_size=raters, max_size=raters), min_size=units, max_size=units)))


def _same(first: float, second: float) -> bool:
    return (np.isnan(first) and np.isnan(second)) or bool(np.isclose(first, second, rtol=1e-9, atol=1e-9))


@given(tables())
def test_order_of_units_and_raters_is_nothing(ratings: Ratings) -> None:
    units = np.random.default_rng(1).permutation(len(ratings))
    raters = np.random.default_rng(2).permutation(ratings.shape[1])
    moved = ratings[units][:, raters]
    assert _same(krippendorff_alpha(ratings), krippendorff_alpha(moved))
    assert _same(gwet_ac(ratings, "quadratic"), gwet_ac(moved, "quadratic"))
    assert _same(icc(ratings).single, icc(moved).single)
    assert _same(flip_rate(ratings), flip_rate(moved))


@given(tables())
def test_at_most_one_and_one_only_where_all_agree(ratings: Ratings) -> None:
    agree = all(len(set(row[~np.isnan(row)])) <= 1 for row in ratings)
    for level in ("nominal", "ordinal", "interval"):
        alpha = krippendorff_alpha(ratings, level)
        assert np.isnan(alpha) or alpha <= 1 + 1e-12
        if not np.isnan(alpha):
            assert (abs(alpha - 1) < 1e-12) == agree
    rate = flip_rate(ratings)
    assert np.isnan(rate) or (rate == 0) == agree


@given(tables())
def test_units_that_one_rater_saw_change_nothing_in_alpha(ratings: Ratings) -> None:
    alone = np.full((1, ratings.shape[1]), np.nan)
    alone[0, 0] = 2.0
    assert _same(krippendorff_alpha(ratings), krippendorff_alpha(np.vstack([ratings, alone])))


@given(tables(holes=False))
def test_shift_and_scale_change_no_interval_coefficient(ratings: Ratings) -> None:
    moved = 3 * ratings + 7
    assert _same(krippendorff_alpha(ratings, "interval"), krippendorff_alpha(moved, "interval"))
    assert _same(icc(ratings).single, icc(moved).single)
    first, second = ratings[:, 0], ratings[:, 1]
    assert _same(weighted_kappa(first, second), weighted_kappa(3 * first + 7, 3 * second + 7))
    assert _same(weighted_kappa(first, second), weighted_kappa(second, first))


@given(tables(holes=False))
def test_components_are_never_negative(ratings: Ratings) -> None:
    found = variance_components(ratings, ("unit", "rater"))
    assert all(np.isnan(value) or value >= 0 for value in found.values())


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_exact_interval_holds_the_share_and_has_its_tails(counts: tuple[int, int]) -> None:
    hits, trials = counts
    low, high = clopper_pearson(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1
    if 0 < hits < trials:  # P(X >= hits | low) and P(X <= hits | high) are 2.5 % each
        assert abs(beta_cdf(low, hits, trials - hits + 1) - 0.025) < 1e-9
        assert abs(1 - beta_cdf(high, hits + 1, trials - hits) - 0.025) < 1e-9
