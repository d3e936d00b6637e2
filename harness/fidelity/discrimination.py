"""Whether patients part a good therapist from a poor one: the same personas and seeds under both, in pairs.

The measure is the change of trust from the first patient turn to the last. Effect size: the mean difference of pairs over
their standard deviation (Cohen's d_z); interval: percentile bootstrap over personas, seeded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, stdev

RESAMPLES = 2000
LEVEL = 0.95
FEWEST = 2
"""Pairs from which on an effect can be given."""

Pair = tuple[str, int]
"""Persona and seed."""


@dataclass(frozen=True, slots=True)
class Discrimination:
    """The good therapist less the poor one."""

    pairs: int
    good: float
    """Mean change of trust."""
    poor: float
    difference: float
    low: float
    """Of the 95% interval of the difference."""
    high: float
    effect: float | None
    """Cohen's d_z; None where no pair differs from another."""
    auc: float
    """Chance that a session with the good therapist gains more trust than one with the poor one."""

    @property
    def parted(self) -> bool:
        """Whether the interval lies above zero."""
        return self.low > 0


def discriminate(good: Mapping[Pair, float], poor: Mapping[Pair, float], seed: int = 0) -> Discrimination | None:
    """Pairs of sessions of one persona and seed; None where there are too few of them."""
    pairs = sorted(good.keys() & poor.keys())
    if len(pairs) < FEWEST:
        return None
    differences: dict[str, list[float]] = {}
    for pair in pairs:
        differences.setdefault(pair[0], []).append(good[pair] - poor[pair])
    every = [value for own in differences.values() for value in own]
    units = list(differences.values()) if len(differences) >= FEWEST else [[value] for value in every]
    low, high = _interval(units, seed)
    spread = stdev(every)
    ones, others = [good[pair] for pair in pairs], [poor[pair] for pair in pairs]
    return Discrimination(
        pairs=len(pairs),
        good=fmean(ones),
        poor=fmean(others),
        difference=fmean(every),
        low=low,
        high=high,
        effect=fmean(every) / spread if spread else None,
        auc=fmean((a > b) + 0.5 * (a == b) for a in ones for b in others),
    )


def _interval(units: Sequence[Sequence[float]], seed: int) -> tuple[float, float]:
    random = Random(seed)
    means = sorted(
        fmean(value for unit in random.choices(units, k=len(units)) for value in unit) for _ in range(RESAMPLES)
    )
    edge = (1 - LEVEL) / 2
    return means[int(edge * RESAMPLES)], means[int((1 - edge) * RESAMPLES) - 1]
