"""The alternative annotator test: can a judge replace one of the people who rated?

Source: Calderon, Reichart & Dror, "The Alternative Annotator Test for LLM-as-a-Judge" (arXiv 2501.10970): each
annotator is left out in turn; the judge and the one left out are compared by how well they agree with the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.judges.statistics.distributions import t_cdf

EPSILON = 0.2
"""How much worse than a person a judge may be, since a person costs more; the paper's value for experts (section 3)."""
FALSE_DISCOVERIES = 0.05
FEWEST_RATINGS = 30
"""Fewest ratings of an annotator for the t-test, as in the paper."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Result of the test."""

    winning_rate: float
    """Share of annotators whom the judge can replace; the judge passes at 0.5."""
    advantage: float
    """How often the judge agrees with the rest at least as well as the one left out, on average."""
    p_values: tuple[float, ...]
    annotators: int
    """Number of annotators with enough ratings."""

    @property
    def passed(self) -> bool:
        return self.winning_rate >= 0.5


def alternative_annotator_test(
    judge: ArrayLike,
    people: ArrayLike,
    score: Literal["accuracy", "distance"] = "accuracy",
    *,
    epsilon: float = EPSILON,
    fewest: int = FEWEST_RATINGS,
) -> Alternative | None:
    """`judge` is (units,), `people` is (units, annotators); `distance` compares root mean squared distances.

    None with fewer than three annotators who have enough ratings.
    """
    answers, table = np.asarray(judge, dtype=np.float64), np.asarray(people, dtype=np.float64)
    p_values: list[float] = []
    advantages: list[float] = []
    for left_out in range(table.shape[1]):
        wins, losses = _duels(answers, table, left_out, score)
        if len(wins) >= fewest:
            p_values.append(_less_than(losses - wins, epsilon))
            advantages.append(float(wins.mean()))
    if len(p_values) < 3:
        return None
    rate = _rejections(p_values) / len(p_values)
    return Alternative(rate, float(np.mean(advantages)), tuple(p_values), len(p_values))


def _duels(
    judge: NDArray[np.float64], people: NDArray[np.float64], left_out: int, score: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For every unit that both rated and somebody else too: judge at least as good, person at least as good."""
    person, rest = people[:, left_out], np.delete(people, left_out, axis=1)
    usable = ~np.isnan(judge) & ~np.isnan(person) & ~np.isnan(rest).all(axis=1)
    by_judge = _score(judge[usable], rest[usable], score)
    by_person = _score(person[usable], rest[usable], score)
    # Means of the same numbers in another order may differ in the last bit; such a duel is a draw.
    draw = np.isclose(by_judge, by_person, rtol=0, atol=1e-12)
    wins, losses = draw | (by_judge > by_person), draw | (by_person > by_judge)
    return wins.astype(np.float64), losses.astype(np.float64)


def _score(one: NDArray[np.float64], rest: NDArray[np.float64], score: str) -> NDArray[np.float64]:
    apart = one[:, None] - rest
    if score == "accuracy":
        return np.asarray(np.nanmean(np.where(np.isnan(apart), np.nan, apart == 0), axis=1))
    return np.asarray(-np.sqrt(np.nanmean(apart**2, axis=1)))


def _less_than(differences: NDArray[np.float64], bound: float) -> float:
    """One-sided t-test of the mean being below `bound`; without variation, the mean itself decides."""
    spread = float(differences.std(ddof=1))
    mean = float(differences.mean()) - bound
    if spread == 0:
        return 0.0 if mean < 0 else 1.0
    return t_cdf(mean / (spread / float(np.sqrt(len(differences)))), len(differences) - 1)


def _rejections(p_values: Sequence[float]) -> int:
    """How many hypotheses the procedure of Benjamini & Yekutieli (2001) rejects."""
    size = len(p_values)
    harmonic = sum(1 / rank for rank in range(1, size + 1))
    passed = [rank for rank, p in enumerate(sorted(p_values), 1) if p <= rank / size * FALSE_DISCOVERIES / harmonic]
    return max(passed, default=0)
