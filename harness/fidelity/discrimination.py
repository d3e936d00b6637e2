"""Whether patients distinguish a good therapist from a poor one. Sessions are paired by persona and seed.

The measure is the change of trust from the first patient turn to the last. Effect size: the mean of the paired
differences divided by their standard deviation (Cohen's d_z). Interval: percentile bootstrap, seeded, over personas, or
over pairs with fewer than six personas; none with fewer than six pairs.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, stdev

RESAMPLES = 2000
LEVEL = 0.95
_SAME = 1e-9
"""Differences are equal, apart from rounding, if their standard deviation is below this share of the largest."""
FEWEST = 2
"""Fewest pairs for a result."""
FEWEST_RESAMPLED = 6
"""Fewest personas or pairs to resample: of two pairs without a difference, 30% gave an interval above 0."""

Pair = tuple[str, int]
"""Persona and seed."""


@dataclass(frozen=True, slots=True)
class Discrimination:
    """The change of trust with the good therapist, compared with the poor one."""

    pairs: int
    good: float
    """Mean change of trust with the good therapist."""
    poor: float
    difference: float
    """Mean of the paired differences, good minus poor."""
    low: float | None
    """Lower end of the 95% confidence interval of the difference; `high` is the upper end. None with too few pairs."""
    high: float | None
    effect: float | None
    """Cohen's d_z; None if all differences are equal."""
    auc: float
    """Probability that a session with the good therapist gains more trust than one with the poor therapist."""

    @property
    def parted(self) -> bool:
        """Whether the patients distinguish the therapists: the interval lies above 0."""
        return self.low is not None and self.low > 0


def discriminate(good: Mapping[Pair, float], poor: Mapping[Pair, float], seed: int = 0) -> Discrimination | None:
    """Compares changes of trust, paired by persona and seed; None with fewer than `FEWEST` pairs."""
    pairs = sorted(good.keys() & poor.keys())
    if len(pairs) < FEWEST:
        return None
    differences: dict[str, list[float]] = {}
    for pair in pairs:
        differences.setdefault(pair[0], []).append(good[pair] - poor[pair])
    every = [value for own in differences.values() for value in own]
    units = list(differences.values()) if len(differences) >= FEWEST_RESAMPLED else [[value] for value in every]
    low, high = _interval(units, seed) if len(units) >= FEWEST_RESAMPLED else (None, None)
    spread = stdev(every)
    gains, poor_gains = [good[pair] for pair in pairs], [poor[pair] for pair in pairs]
    return Discrimination(
        pairs=len(pairs),
        good=fmean(gains),
        poor=fmean(poor_gains),
        difference=fmean(every),
        low=low,
        high=high,
        effect=fmean(every) / spread if spread > _SAME * max(map(abs, every)) else None,
        auc=_auc(gains, poor_gains),
    )


def _auc(good: Sequence[float], poor: Sequence[float]) -> float:
    """The share of pairs (one of each) in which the good one is greater; equal ones count half."""
    ordered = sorted(poor)
    less = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in good)
    return less / (2 * len(good) * len(poor))


def _interval(units: Sequence[Sequence[float]], seed: int) -> tuple[float, float]:
    random = Random(seed)
    means = sorted(
        fmean(value for unit in random.choices(units, k=len(units)) for value in unit) for _ in range(RESAMPLES)
    )
    edge = (1 - LEVEL) / 2
    return means[int(edge * RESAMPLES)], means[int((1 - edge) * RESAMPLES) - 1]
