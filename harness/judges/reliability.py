"""How well repeats, orders and judges agree, item by item, from the scores of runs.

Invariants:
- A score without a value is missing, never a number; the share of missing scores is shown with every coefficient.
- Intervals come from resampling personas (or courses, if there are any), because sessions of a persona are similar.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from harness.errors import JudgeError
from harness.judges.records import Score, read_scores
from harness.judges.statistics.agreement import flip_rate, gwet_ac, krippendorff_alpha, weighted_kappa
from harness.judges.statistics.reliability import (
    bootstrap_by_group,
    icc,
    raters_needed,
    spearman_brown,
    variance_components,
)
from harness.judges.status import Status

Array = NDArray[np.float64]
TARGET = 0.8
"""The reliability that the mean of the repeats should reach."""


@dataclass(frozen=True, slots=True)
class Table:
    """All ratings of one item as (units, judges, orders, repeats); a missing rating is NaN."""

    rubric: str
    item: str
    values: Array
    judges: tuple[str, ...]
    groups: tuple[str, ...]
    """The persona, or the course, of each unit."""
    missing: float
    """Share of the requested ratings that have no value."""


@dataclass(frozen=True, slots=True)
class ItemReliability:
    """The coefficients of one item."""

    rubric: str
    item: str
    units: int
    judges: int
    orders: int
    repeats: int
    missing: float
    flips_repeats: float
    """Share of pairs of repeats that disagree, with the same judge and order."""
    flips_orders: float
    """Share of pairs of orders that disagree, with the same judge and repeat."""
    alpha: float
    """Krippendorff's alpha over all ratings, ordinal."""
    ac2: float
    """Gwet's AC2 with quadratic weights."""
    kappa: float
    """Quadratic weighted kappa, mean over pairs of judges; over pairs of ratings if there is one judge."""
    icc_single: float
    """ICC(2,1) of the repeats and orders of a judge, mean over judges."""
    icc_mean: float
    """ICC(2,k) of the mean over all repeats and orders."""
    icc_judges: float
    """ICC(2,1) between judges, each represented by its mean; NaN with one judge."""
    repeats_needed: float
    """Number of repeats whose mean reaches a reliability of 0.8, not rounded; NaN if no number does."""
    components: dict[str, float]
    """Variance of each facet: session, judge, order, repeat, residual."""
    means: dict[str, float]
    """Mean value of each judge."""
    intervals: dict[str, tuple[float, float] | None] = field(default_factory=dict)


def read_tables(folders: Iterable[Path]) -> list[Table]:
    """The ratings of each item over these run folders. Raises `JudgeError` if nothing was judged, and `StorageError`."""
    cells: defaultdict[tuple[str, str], dict[tuple[str, str, int, int], float]] = defaultdict(dict)
    groups: dict[str, str] = {}
    for folder in folders:
        for score in read_scores(folder):
            for unit, value in _units(folder, score):
                cells[score.rubric, score.item][unit, score.judge, score.order, score.repeat] = value
                groups[unit] = score.course or score.persona_id
    if not cells:
        raise JudgeError("no scores: judge these runs first, with `python -m harness judge RUN repeats=5 orders=2`")
    return [_table(rubric, item, found, groups) for (rubric, item), found in cells.items()]


def _units(folder: Path, score: Score) -> Iterator[tuple[str, float]]:
    """The session, or each turn that was asked about, with its value; one that is not applicable is left out."""
    place = f"{folder}/{score.session_id}"
    found = [(f"{place}/{turn.turn}", turn.status, turn.value) for turn in score.turns]
    for unit, status, value in found or [(place, score.status, score.value)]:
        if status is not Status.NOT_APPLICABLE:
            yield unit, float("nan") if value is None else value


def _table(rubric: str, item: str, cells: dict[tuple[str, str, int, int], float], groups: dict[str, str]) -> Table:
    units = list(dict.fromkeys(unit for unit, *_ in cells))
    judges = sorted({judge for _, judge, _, _ in cells})
    orders = sorted({order for _, _, order, _ in cells})
    repeats = sorted({repeat for *_, repeat in cells})
    at_unit, at_judge = {u: i for i, u in enumerate(units)}, {j: i for i, j in enumerate(judges)}
    at_order, at_repeat = {o: i for i, o in enumerate(orders)}, {r: i for i, r in enumerate(repeats)}
    values = np.full((len(units), len(judges), len(orders), len(repeats)), np.nan)
    for (unit, judge, order, repeat), value in cells.items():
        values[at_unit[unit], at_judge[judge], at_order[order], at_repeat[repeat]] = value
    missing = sum(math.isnan(value) for value in cells.values()) / len(cells)
    return Table(rubric, item, values, tuple(judges), tuple(groups[unit] for unit in units), missing)


def analyse(table: Table, *, resamples: int = 300, seed: int = 0) -> ItemReliability:
    """All coefficients of an item; intervals are bootstrapped over personas."""
    values = table.values
    units, judges, orders, repeats = values.shape
    single = _icc_single(values)
    needed = raters_needed(single, TARGET)
    intervals = bootstrap_by_group(lambda at: _headline(values[at]), table.groups, resamples=resamples, seed=seed)
    flat = values.reshape(units, -1)
    return ItemReliability(
        rubric=table.rubric,
        item=table.item,
        units=units,
        judges=judges,
        orders=orders,
        repeats=repeats,
        missing=table.missing,
        flips_repeats=flip_rate(values.reshape(-1, repeats)),
        flips_orders=flip_rate(values.transpose(0, 1, 3, 2).reshape(-1, orders)),
        alpha=krippendorff_alpha(flat, "ordinal"),
        ac2=gwet_ac(flat, "quadratic"),
        kappa=_kappa(values),
        icc_single=single,
        icc_mean=spearman_brown(single, orders * repeats),
        icc_judges=icc(_mean(values)).single,
        repeats_needed=needed,
        components=variance_components(values, ("session", "judge", "order", "repeat")),
        means={judge: _nanmean(values[:, at]) for at, judge in enumerate(table.judges)},
        intervals=intervals,
    )


def _headline(values: Array) -> dict[str, float]:
    flat = values.reshape(len(values), -1)
    return {
        "flips_repeats": flip_rate(values.reshape(-1, values.shape[-1])),
        "alpha": krippendorff_alpha(flat, "ordinal"),
        "icc_single": _icc_single(values),
    }


def _icc_single(values: Array) -> float:
    """ICC(2,1) of the repeats and orders of a judge, mean over judges."""
    units, judges = values.shape[:2]
    found = [icc(values[:, at].reshape(units, -1)).single for at in range(judges)]
    defined = [value for value in found if not np.isnan(value)]
    return fmean(defined) if defined else float("nan")


def _mean(values: Array) -> Array:
    """The means over orders and repeats, as (units, judges); NaN if none has a value."""
    units, judges = values.shape[:2]
    flat = values.reshape(units, judges, -1)
    counts = (~np.isnan(flat)).sum(axis=2)
    sums = np.nansum(flat, axis=2)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _kappa(values: Array) -> float:
    """Mean kappa over pairs of judges, by their first ratings; with one judge, over pairs of its ratings."""
    columns = values[:, :, 0, 0] if values.shape[1] > 1 else values.reshape(len(values), -1)
    categories = sorted({float(value) for value in values.ravel() if not np.isnan(value)})
    found = [
        weighted_kappa(columns[:, one], columns[:, other], "quadratic", categories)
        for one, other in combinations(range(columns.shape[1]), 2)
    ]
    defined = [value for value in found if not np.isnan(value)]
    return fmean(defined) if defined else float("nan")


def _nanmean(values: Array) -> float:
    given = values[~np.isnan(values)]
    return float(given.mean()) if given.size else float("nan")


def lines(found: Sequence[ItemReliability]) -> list[str]:
    """The results as lines of a table: two lines per item, of at most 80 columns except for long names."""
    rows = [
        "item",
        f"  {'units':>5} {'missing':>7} {'flips':>9} {'alpha':>14} {'AC2':>5} {'kappa':>5} {'ICC(2,1)':>14} {'k for 0.8':>9}",
    ]
    for entry in found:
        flips = f"{_number(entry.flips_repeats)}/{_number(entry.flips_orders)}"
        needed = "-" if np.isnan(entry.repeats_needed) else f"{int(np.ceil(entry.repeats_needed))}"
        rows += [
            f"{entry.rubric}/{entry.item}",
            f"  {entry.units:>5} {entry.missing:>7.0%} {flips:>9} {_with(entry, 'alpha'):>14} {_number(entry.ac2):>5} "
            f"{_number(entry.kappa):>5} {_with(entry, 'icc_single'):>14} {needed:>9}",
        ]
    if found and all(np.isnan(e.alpha) and np.isnan(e.flips_repeats) and np.isnan(e.flips_orders) for e in found):
        rows.append(
            "nothing to compare: each question was answered once; judge again with repeats=5, or by another judge"
        )
    return rows


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _with(entry: ItemReliability, name: str) -> str:
    value, interval = getattr(entry, name), entry.intervals.get(name)
    shown = _number(value)
    return shown if interval is None else f"{shown} {interval[0]:.2f}-{interval[1]:.2f}"
