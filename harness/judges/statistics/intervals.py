"""Intervals of proportions.

Sources: Clopper & Pearson (Biometrika 26, 1934); Hanley & Lippman-Hand (JAMA 249, 1983) for the rule of three;
Rogan & Gladen (Am. J. Epidemiol. 107, 1978) and Lang & Reiczigel (Prev. Vet. Med. 113, 2014) for a prevalence seen
through an imperfect test, applied to judges by Lee et al. (arXiv 2511.21140).
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from harness.judges.statistics.distributions import beta_quantile


def clopper_pearson(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion; (0, 1) for no trials. Raises ValueError for impossible counts."""
    if not 0 <= hits <= trials:
        raise ValueError(f"expected hits from 0 to {trials}, found {hits}")
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else beta_quantile(tail, hits, trials - hits + 1)
    high = 1.0 if hits == trials else beta_quantile(1 - tail, hits + 1, trials - hits)
    return low, high


def rule_of_three(trials: int) -> float:
    """The upper 95% bound of a rate without a hit in `trials` trials: 3 / n, at most 1."""
    return min(1.0, 3 / trials) if trials else 1.0


@dataclass(frozen=True, slots=True)
class Prevalence:
    """A rate corrected for the judge's errors."""

    estimate: float
    """Rogan-Gladen estimate, kept within 0 to 1; NaN if the judge is no better than chance."""
    interval: tuple[float, float] | None


def corrected_prevalence(
    hits: int,
    trials: int,
    *,
    true_positives: int,
    positives: int,
    true_negatives: int,
    negatives: int,
    level: float = 0.95,
) -> Prevalence:
    """The rate behind `hits` of `trials`, given how the judge did on labelled `positives` and `negatives`.

    Raises ValueError if one of the three counts is 0.
    """
    if not (trials and positives and negatives):
        raise ValueError("expected judged sessions, and labelled ones of both kinds")
    sensitivity, specificity = true_positives / positives, true_negatives / negatives
    if sensitivity + specificity <= 1:
        return Prevalence(float("nan"), None)
    estimate = (hits / trials + specificity - 1) / (sensitivity + specificity - 1)
    z = NormalDist().inv_cdf((1 + level) / 2)
    n, of_positives, of_negatives = trials + z * z, positives + 2, negatives + 2
    rate = (hits + z * z / 2) / n
    se, sp = (true_positives + 1) / of_positives, (true_negatives + 1) / of_negatives
    telling = se + sp - 1
    middle = (rate + sp - 1) / telling
    of_se, of_sp = se * (1 - se) / of_positives, sp * (1 - sp) / of_negatives
    shift = 2 * z * z * (middle * of_se - (1 - middle) * of_sp)
    half = z * sqrt(rate * (1 - rate) / n + (1 - middle) ** 2 * of_sp + middle**2 * of_se) / telling
    return Prevalence(_within(estimate), (_within(middle + shift - half), _within(middle + shift + half)))


def _within(value: float) -> float:
    return min(1.0, max(0.0, value))
