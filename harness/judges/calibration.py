"""Compares judges with people who rated the same sessions: agreement, bias, errors, and agreement among the people.

Invariants:
- Sessions of the split `dev` are for tuning a judge; conclusions come from `test` only.
- The consensus of people is the median of their ratings; with one rater it is that rating.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from harness.judges.records import Rate, Rating, Score
from harness.judges.rubric import Rubric
from harness.judges.statistics.agreement import krippendorff_alpha, weighted_kappa
from harness.judges.statistics.annotators import alternative_annotator_test
from harness.judges.statistics.intervals import clopper_pearson, corrected_prevalence
from harness.judges.statistics.reliability import bootstrap_by_group

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ItemCalibration:
    """One judge compared with people, for one item."""

    judge: str
    item: str
    split: str
    sessions: int
    """Sessions that people rated and the judge scored."""
    missing: int
    """Sessions that people rated and the judge was asked about, without a value from it."""
    raters: int
    kappa: float
    """Quadratic weighted, judge against consensus."""
    kappa_interval: tuple[float, float] | None
    bias: float
    """Mean of judge minus consensus, in units of the scale."""
    sensitivity: Rate | None
    """Of the sessions whose consensus is above the lowest value, how many the judge scores above it."""
    specificity: Rate | None
    """Of the sessions whose consensus is the lowest value, how many the judge scores lowest."""
    ceiling: float
    """Mean quadratic weighted kappa of each person against the consensus of the others; NaN with one person."""
    people_alpha: float
    """Krippendorff's alpha among people, ordinal."""
    winning_rate: float | None
    """Of the alternative annotator test; passed at 0.5. None with fewer than 3 people who rated 30 sessions each."""
    advantage: float | None
    """Of the same test: how often the judge agrees with the others at least as well as the person left out."""
    prevalence: float | None
    """Share of all judged sessions above the lowest value, corrected for the judge's errors; None if these are unknown."""
    prevalence_interval: tuple[float, float] | None


def calibrate(
    ratings: Sequence[Rating], scores: Sequence[Score], rubrics: Sequence[Rubric], *, split: str = "test", seed: int = 0
) -> list[ItemCalibration]:
    """One entry for each judge and item that people rated in `split`."""
    by_judge: defaultdict[tuple[str, str], defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    persona: dict[str, str] = {}
    for score in scores:
        name = f"{score.rubric}/{score.item}"
        persona[score.session_id] = score.course or score.persona_id
        entry = by_judge[score.judge, name][score.session_id]
        if score.value is not None:
            entry.append(score.value)
    wanted = {rating.item for rating in ratings if rating.split == split}
    found = []
    for (judge, name), sessions in sorted(by_judge.items()):
        if name in wanted:
            own = [rating for rating in ratings if rating.item == name and rating.split == split]
            values = {session: median(given) if given else float("nan") for session, given in sessions.items()}
            found.append(_calibrate(judge, name, split, own, values, _scale(rubrics, name), persona, seed))
    return found


def _scale(rubrics: Sequence[Rubric], name: str) -> list[float]:
    rubric_id, _, item_id = name.partition("/")
    for rubric in rubrics:
        if rubric.id == rubric_id:
            return sorted({answer.value for answer in rubric.item(item_id).answers})
    raise KeyError(name)


def _calibrate(
    judge: str,
    name: str,
    split: str,
    ratings: Sequence[Rating],
    judged: Mapping[str, float],
    scale: list[float],
    persona: Mapping[str, str],
    seed: int,
) -> ItemCalibration:
    raters = sorted({rating.rater for rating in ratings})
    sessions = [session for session in dict.fromkeys(rating.session_id for rating in ratings) if session in judged]
    people = np.full((len(sessions), len(raters)), np.nan)
    at_session, at_rater = {s: i for i, s in enumerate(sessions)}, {r: i for i, r in enumerate(raters)}
    for rating in ratings:
        if rating.session_id in at_session:
            people[at_session[rating.session_id], at_rater[rating.rater]] = rating.value
    own = np.array([judged[session] for session in sessions], dtype=np.float64)
    consensus = np.nanmedian(people, axis=1) if len(sessions) else np.array([])
    both = ~np.isnan(own)
    nearest = _nearest(own, scale)
    agreed = _nearest(consensus, scale)
    interval = bootstrap_by_group(
        lambda at: {"kappa": weighted_kappa(nearest[at], agreed[at], "quadratic", scale)},
        [persona[session] for session in sessions],
        seed=seed,
    ).get("kappa")
    sensitivity, specificity = _errors(own[both], consensus[both], scale[0])
    test = (
        alternative_annotator_test(nearest, people, "accuracy" if len(scale) == 2 else "distance")
        if len(sessions)
        else None
    )
    prevalence = _prevalence(list(judged.values()), scale[0], sensitivity, specificity)
    return ItemCalibration(
        judge=judge,
        item=name,
        split=split,
        sessions=int(both.sum()),
        missing=int((~both).sum()),
        raters=len(raters),
        kappa=weighted_kappa(nearest, agreed, "quadratic", scale),
        kappa_interval=interval,
        bias=float((own[both] - consensus[both]).mean()) if both.any() else float("nan"),
        sensitivity=sensitivity,
        specificity=specificity,
        ceiling=_ceiling(people, scale),
        people_alpha=krippendorff_alpha(people, "ordinal") if len(sessions) else float("nan"),
        winning_rate=test.winning_rate if test else None,
        advantage=test.advantage if test else None,
        prevalence=prevalence[0],
        prevalence_interval=prevalence[1],
    )


def _nearest(values: Array, scale: Sequence[float]) -> Array:
    """Each value as the nearest level of the scale, the lower one at equal distance. Medians may lie between levels."""
    levels = np.asarray(scale)
    found = levels[np.abs(values[:, None] - levels[None, :]).argmin(axis=1)] if len(values) else values
    return np.where(np.isnan(values), np.nan, found)


def _errors(own: Array, consensus: Array, lowest: float) -> tuple[Rate | None, Rate | None]:
    seen = consensus > lowest
    return (
        _rate(int((own[seen] > lowest).sum()), int(seen.sum())),
        _rate(int((own[~seen] <= lowest).sum()), int((~seen).sum())),
    )


def _rate(hits: int, trials: int) -> Rate | None:
    if not trials:
        return None
    low, high = clopper_pearson(hits, trials)
    return Rate(hits=hits, trials=trials, low=low, high=high)


def _prevalence(
    judged: Sequence[float], lowest: float, sensitivity: Rate | None, specificity: Rate | None
) -> tuple[float | None, tuple[float, float] | None]:
    given = [value for value in judged if not np.isnan(value)]
    if sensitivity is None or specificity is None or not given:
        return None, None
    found = corrected_prevalence(
        sum(value > lowest for value in given),
        len(given),
        true_positives=sensitivity.hits,
        positives=sensitivity.trials,
        true_negatives=specificity.hits,
        negatives=specificity.trials,
    )
    return (None if np.isnan(found.estimate) else found.estimate), found.interval


def _ceiling(people: Array, scale: list[float]) -> float:
    """How well people agree: mean kappa of each person against the median of the others."""
    found = []
    for column in range(people.shape[1]):
        others = np.delete(people, column, axis=1)
        rated = (
            ~np.isnan(people[:, column]) & ~np.isnan(others).all(axis=1) if others.size else np.zeros(len(people), bool)
        )
        if rated.any():
            consensus = _nearest(np.nanmedian(others[rated], axis=1), scale)
            found.append(weighted_kappa(people[rated, column], consensus, "quadratic", scale))
    defined = [value for value in found if not np.isnan(value)]
    return fmean(defined) if defined else float("nan")


def lines(found: Sequence[ItemCalibration]) -> list[str]:
    """The results as lines of a table."""
    rows = [
        f"{'judge':<24} {'item':<34} {'n':>4} {'kappa':>16} {'ceiling':>7} {'bias':>6} {'sensitivity':>15} "
        f"{'specificity':>15} {'alt-test':>8} {'prevalence':>16}"
    ]
    for entry in found:
        kappa = _number(entry.kappa) + (
            f" {entry.kappa_interval[0]:.2f}-{entry.kappa_interval[1]:.2f}" if entry.kappa_interval else ""
        )
        alt = "-" if entry.winning_rate is None else f"{entry.winning_rate:.2f}"
        share = "-" if entry.prevalence is None else f"{entry.prevalence:.2f}"
        if entry.prevalence is not None and entry.prevalence_interval:
            share += f" {entry.prevalence_interval[0]:.2f}-{entry.prevalence_interval[1]:.2f}"
        rows.append(
            f"{entry.judge:<24} {entry.item:<34} {entry.sessions:>4} {kappa:>16} {_number(entry.ceiling):>7} {_number(entry.bias):>6} "
            f"{_shown(entry.sensitivity):>15} {_shown(entry.specificity):>15} {alt:>8} {share:>16}"
        )
    return rows


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _shown(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.hits}/{rate.trials} {rate.low:.2f}-{rate.high:.2f}"
