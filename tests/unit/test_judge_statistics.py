"""The statistics of judges equal published values and stored outputs of other packages to 1e-9."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.judges.statistics.agreement import flip_rate, gwet_ac, krippendorff_alpha, weighted_kappa
from harness.judges.statistics.annotators import alternative_annotator_test
from harness.judges.statistics.distributions import beta_cdf, beta_quantile, t_cdf
from harness.judges.statistics.intervals import clopper_pearson, corrected_prevalence, rule_of_three
from harness.judges.statistics.reliability import (
    bootstrap_by_group,
    icc,
    raters_needed,
    spearman_brown,
    variance_components,
)

REFERENCES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "agreement_references.json").read_text()
)
TABLES = REFERENCES["tables"]


def _array(rows: object) -> Any:
    return np.array(rows, dtype=np.float64)  # None becomes NaN


def _tables(key: str) -> list[Any]:
    found = [pytest.param(table, id=table["name"]) for table in TABLES if key in table["expected"]]
    assert len(found) >= 5, f"fewer than five tables have {key}"
    return found


@pytest.mark.parametrize("table", _tables("alpha_ordinal"))
def test_alpha_and_gwet(table: dict[str, Any]) -> None:
    ratings, expected = _array(table["ratings"]), table["expected"]
    assert krippendorff_alpha(ratings, "nominal") == pytest.approx(expected["alpha_nominal"], abs=1e-9, rel=0)
    assert krippendorff_alpha(ratings, "ordinal") == pytest.approx(expected["alpha_ordinal"], abs=1e-9, rel=0)
    assert krippendorff_alpha(ratings, "interval") == pytest.approx(expected["alpha_interval"], abs=1e-9, rel=0)
    assert gwet_ac(ratings, "identity") == pytest.approx(expected["ac_identity"], abs=1e-9, rel=0)
    assert gwet_ac(ratings, "linear") == pytest.approx(expected["ac_linear"], abs=1e-9, rel=0)
    assert gwet_ac(ratings, "quadratic") == pytest.approx(expected["ac_quadratic"], abs=1e-9, rel=0)
    assert gwet_ac(ratings, "ordinal") == pytest.approx(expected["ac_ordinal"], abs=1e-9, rel=0)


@pytest.mark.parametrize("table", _tables("kappa_quadratic"))
def test_weighted_kappa(table: dict[str, Any]) -> None:
    ratings, expected = _array(table["ratings"]), table["expected"]
    for weights in ("quadratic", "linear", "identity"):
        found = weighted_kappa(ratings[:, 0], ratings[:, 1], weights, categories=list(np.unique(ratings)))
        assert found == pytest.approx(expected[f"kappa_{weights}"], abs=1e-9, rel=0)


@pytest.mark.parametrize("table", _tables("icc_single_anova"))
def test_icc(table: dict[str, Any]) -> None:
    found, expected = icc(_array(table["ratings"])), table["expected"]
    assert found.single == pytest.approx(expected["icc_single_anova"], abs=1e-9, rel=0)
    assert found.mean == pytest.approx(expected["icc_mean_anova"], abs=1e-9, rel=0)
    assert found.single == pytest.approx(expected["icc_single"], abs=1e-6)  # pingouin rounds
    assert spearman_brown(found.single, found.raters) <= 1


def test_published_values() -> None:
    by_name = {table["name"]: _array(table["ratings"]) for table in TABLES}
    published = by_name["krippendorff-2011"]
    assert round(krippendorff_alpha(published, "nominal"), 3) == 0.743
    assert round(krippendorff_alpha(published, "ordinal"), 3) == 0.815
    assert round(krippendorff_alpha(published, "interval"), 3) == 0.849
    assert round(gwet_ac(published), 3) == 0.775
    shrout = icc(by_name["shrout-fleiss-1979"])
    assert (round(shrout.single, 2), round(shrout.mean, 2)) == (0.29, 0.62)


@pytest.mark.parametrize("case", REFERENCES["variance"])
def test_variance_components(case: dict[str, Any]) -> None:
    values, expected = _array(case["values"]), case["expected"]
    found = variance_components(values, ("s", "j", "r", "o"))
    for facet, component in expected.items():
        if component is None:
            assert np.isnan(found[facet])
        else:
            assert found[facet] == pytest.approx(component, abs=1e-9, rel=0)


@pytest.mark.parametrize(("hits", "trials", "level", "low", "high"), REFERENCES["clopper_pearson"])
def test_clopper_pearson(hits: int, trials: int, level: float, low: float, high: float) -> None:
    assert clopper_pearson(hits, trials, level) == pytest.approx((low, high), abs=1e-9, rel=0)


def test_distributions() -> None:
    for t, freedom, expected in REFERENCES["t_cdf"]:
        assert t_cdf(t, freedom) == pytest.approx(expected, abs=1e-12)
    for x, a, b, expected in REFERENCES["beta_cdf"]:
        assert beta_cdf(x, a, b) == pytest.approx(expected, abs=1e-12)
        if 1e-6 < expected < 1 - 1e-6:
            assert beta_quantile(expected, a, b) == pytest.approx(x, abs=1e-9)


@pytest.mark.parametrize("row", REFERENCES["prevalence"])
def test_corrected_prevalence(row: list[float]) -> None:
    p, specificity, sensitivity, n, negatives, positives, alpha, low, high = row
    found = corrected_prevalence(
        round(p * n),
        int(n),
        true_positives=round(sensitivity * positives),
        positives=int(positives),
        true_negatives=round(specificity * negatives),
        negatives=int(negatives),
        level=1 - alpha,
    )
    assert found.interval == pytest.approx((low, high), abs=1e-9, rel=0)
    expected = (p + specificity - 1) / (specificity + sensitivity - 1)
    assert found.estimate == pytest.approx(min(1.0, max(0.0, expected)), abs=1e-12)


def test_a_judge_that_tells_nothing_has_no_corrected_prevalence() -> None:
    found = corrected_prevalence(5, 10, true_positives=5, positives=10, true_negatives=5, negatives=10)
    assert np.isnan(found.estimate)
    assert found.interval is None


@pytest.mark.parametrize("case", REFERENCES["annotators"])
def test_alternative_annotator_test(case: dict[str, Any]) -> None:
    found = alternative_annotator_test(_array(case["judge"]), _array(case["people"]), case["score"])
    rate, advantage, p_values = case["expected"]
    assert found is not None
    assert found.winning_rate == pytest.approx(rate, abs=1e-9, rel=0)
    assert found.advantage == pytest.approx(advantage, abs=1e-9, rel=0)
    assert found.p_values == pytest.approx(p_values, abs=1e-9, rel=0)


def test_what_is_not_defined_is_nan() -> None:
    nothing = np.full((4, 3), np.nan)
    same = np.ones((4, 3))
    for ratings in (nothing, same):
        assert np.isnan(krippendorff_alpha(ratings))
        assert np.isnan(gwet_ac(ratings))
        assert np.isnan(icc(ratings).single)
    assert np.isnan(weighted_kappa([1, 1], [1, 1]))
    assert np.isnan(flip_rate(nothing))
    assert flip_rate(same) == 0
    assert alternative_annotator_test(np.ones(10), np.ones((10, 3))) is None
    assert np.isnan(raters_needed(-0.1))


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7, -2.2])
def test_ratings_that_are_all_equal_have_no_icc_whatever_their_value(value: float) -> None:
    """The mean of shares such as a third of the turns is rounded, so that their variance is not exactly 0."""
    for raters in (2, 3, 5):
        found = icc(np.full((7, raters), value))
        assert np.isnan(found.single)
        assert np.isnan(found.mean)


@pytest.mark.parametrize("raters", [3, 6, 7])
def test_raters_without_anything_in_common_have_an_icc_of_0_and_no_number_of_them_is_enough(raters: int) -> None:
    """One rater differs once: the mean squares of units and of errors are equal, apart from rounding."""
    table = np.zeros((6, raters))
    table[2, 1] = 1.0
    found = icc(table)
    assert found.single == found.mean == 0
    assert np.isnan(raters_needed(found.single))


def test_spearman_brown_inverts() -> None:
    for single in (0.1, 0.35, 0.79):
        assert spearman_brown(single, raters_needed(single, 0.8)) == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize(("rising", "falling"), [(3, 1), (2, 1)])
def test_repeats_that_contradict_each_other_have_no_reliable_mean(rising: int, falling: int) -> None:
    """ICC(2,1) is exactly -1 in the first case, and lower in the second."""
    found = icc([[1, 2]] * rising + [[2, 1]] * falling)
    assert found.single <= -1
    assert np.isnan(spearman_brown(found.single, found.raters))


def test_rule_of_three() -> None:
    assert rule_of_three(60) == 0.05
    assert rule_of_three(0) == rule_of_three(2) == 1.0


def test_bootstrap_draws_whole_groups() -> None:
    """Units of one persona that are copies of each other add nothing: the interval stays as wide."""
    values = np.random.default_rng(1).normal(size=12)
    few = bootstrap_by_group(lambda at: {"mean": float(values[at].mean())}, list(range(12)))["mean"]
    copied = np.repeat(values, 20)
    many = bootstrap_by_group(lambda at: {"mean": float(copied[at].mean())}, [i // 20 for i in range(240)])["mean"]
    assert few is not None
    assert few == pytest.approx(many, abs=1e-12)
    assert bootstrap_by_group(lambda at: {"mean": 1.0}, [1, 2, 3]) == {"mean": None}
