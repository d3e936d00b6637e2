"""Settings compared with a baseline, metric by metric, over sessions of the same persona and seed.

Invariants:
- A difference is taken between sessions of one persona and one seed, and over nothing else.
- The correction counts every comparison that is shown.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np

from harness.comparison.bootstrap import FEWEST, Estimate, Sample, adjusted, estimates, resamples_for
from harness.comparison.catalogue import HEADLINES, ordered
from harness.comparison.checks import listed, notes, refuse
from harness.comparison.gates import GateRate, gate_rates
from harness.comparison.marginal import margin
from harness.comparison.runs import Pair, RunData, parent_of
from harness.comparison.settings import Setting, settings_of
from harness.errors import ComparisonError
from harness.judges.results import PREFIX
from harness.metrics.registry import Metric

ENOUGH_PERSONAS = 8
"""From so many on, personas are what is resampled where each has several sessions."""
ALPHA = 0.05


class Unit(StrEnum):
    """What is drawn with replacement: the largest thing of which there are enough."""

    SESSION = "session"
    PARENT = "parent session"
    """Of branches: those of one session are no independent draws."""
    PERSONA = "persona"


class Verdict(StrEnum):
    """What can be said of a difference."""

    DIFFERENT = "different"
    """Told from noise at 5%, counting all comparisons shown."""
    NOISE = "noise"
    SAME = "same"
    """No pair differs."""
    TOO_FEW = "too_few"
    """Too few pairs, or too few that differ from the rest."""
    MISSING = "missing"
    """No pair has the metric on both sides."""
    UNCERTIFIED = "uncertified"
    """The judge could not show that it can tell: nothing is concluded."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting less the baseline, in one metric."""

    setting: str
    pairs: int
    """Pairs of sessions."""
    estimate: Estimate | None
    """Over units; None without pairs."""
    p_adjusted: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Mean:
    """One setting in one metric."""

    setting: str
    sessions: int
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class Row:
    """One metric."""

    metric: Metric
    means: tuple[Mean, ...]
    """One for each setting, in order."""
    differences: tuple[Difference, ...]
    """One for each setting but the baseline, in order."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that is shown."""

    settings: tuple[Setting, ...]
    baseline: Setting
    personas: int
    unit: Unit
    rows: tuple[Row, ...]
    comparisons: int
    """Tested differences, which the correction counts."""
    resamples: int
    seed: int
    notes: tuple[str, ...]
    """What a reader has to know before reading a number."""
    gates: tuple[GateRate, ...] = ()


def compare(
    runs: Sequence[RunData],
    *,
    baseline: str | None = None,
    names: Sequence[str] | None = HEADLINES,
    by: str | None = None,
    seed: int = 0,
    uncertified: bool = False,
) -> Comparison:
    """Compare the settings of `runs`. `names` are metrics; None takes every one that a session has. Scores of a judge are
    always among them.

    `uncertified` concludes from scores of items for which the judge is not certified, too.
    `by` takes one key in which they differ, and the mean over all others (see `marginal`).

    Raises `ComparisonError` with every reason why they can't be compared.
    """
    settings = settings_of(runs)
    refuse(settings)
    _refuse_judges(runs)
    known = list(notes(settings))
    if by is not None:
        over = margin(settings, by)
        settings = list(over.settings)
        known.insert(0, over.note)
    base = _baseline(settings, baseline)
    measured = {name for setting in settings for session in setting.sessions.values() for name in session.numbers}
    _refuse_unknown(names, measured)
    scores = {name for name in measured if name.startswith(PREFIX)}
    metrics = ordered(measured if names is None else {*names, *(scores if names is HEADLINES else ())})
    doubted = set() if uncertified else _uncertified(runs)
    personas = len({pair[0] for pair in base.sessions})
    unit = _unit(settings, personas)
    tables = {setting.name: _table(setting, metrics) for setting in settings}
    others = [setting for setting in settings if setting is not base]
    resamples = resamples_for(len(others) * len(metrics))
    draw = partial(_estimated, unit=unit, resamples=resamples, seed=seed)
    possible = [metric.bounds for metric in metrics]
    apart = [(low - high, high - low) for low, high in possible]
    means = {name: draw(table, possible) for name, table in tables.items()}
    differences = {s.name: draw(_minus(tables[s.name], tables[base.name]), apart) for s in others}
    trusted = [i for i, metric in enumerate(metrics) if metric.name not in doubted]
    found = [differences[s.name][i][1] for i in trusted for s in others]
    corrected = iter(adjusted([estimate.p for estimate in found if estimate]))
    rows = []
    for i, metric in enumerate(metrics):
        of_settings = tuple(Mean(s.name, *means[s.name][i]) for s in settings)
        certified = metric.name not in doubted
        of_others = tuple(_difference(s.name, *differences[s.name][i], corrected, certified) for s in others)
        rows.append(
            Row(
                metric if certified else replace(metric, label=f"{metric.label} (not certified)"),
                of_settings,
                of_others,
            )
        )
    tested = sum(estimate is not None for estimate in found)
    known = [*_unit_note(personas, unit), *known, *_judge_notes(runs, doubted, metrics)]
    gates = tuple(gate_rates(settings))
    return Comparison(tuple(settings), base, personas, unit, tuple(rows), tested, resamples, seed, tuple(known), gates)


def _uncertified(runs: Sequence[RunData]) -> set[str]:
    """Scores for which the judge is not certified in every run that has them."""
    return {name for run in runs for name, certified in run.judged.certified.items() if not certified}


def _refuse_judges(runs: Sequence[RunData]) -> None:
    judges = sorted({run.judged.judge for run in runs if run.judged.judge is not None})
    if len(judges) > 1:
        raise ComparisonError(
            f"the runs were judged by different judges: {', '.join(judges)}; judge all runs with one judge, or choose "
            "one with --judge NAME"
        )


def _judge_notes(runs: Sequence[RunData], doubted: set[str], metrics: Sequence[Metric]) -> Iterator[str]:
    shown = [metric.name for metric in metrics if metric.name in doubted]
    if shown:
        yield (
            f"the judge is not certified for {len(shown)} score{'s' * (len(shown) != 1)}: differences are shown but not "
            "tested (--uncertified tests them)"
        )
    bare = [str(run.path) for run in runs if run.judged.judge is None]
    if bare and len(bare) < len(runs):
        yield f"{listed(bare)}: not judged, so no scores"


@dataclass(frozen=True, slots=True)
class _Table:
    """Numbers of sessions: a row a session, a column a metric, NaN where a session has none.

    Rows are sorted, so that nothing depends on the order in which sessions ended.
    """

    pairs: tuple[Pair, ...]
    values: Sample


def _table(setting: Setting, metrics: Sequence[Metric]) -> _Table:
    pairs = tuple(sorted(setting.sessions))
    rows = [[setting.sessions[pair].value(metric.name) for metric in metrics] for pair in pairs]
    return _Table(pairs, np.array(rows, dtype=np.float64).reshape(len(pairs), len(metrics)))


def _minus(a: _Table, b: _Table) -> _Table:
    """Differences of the sessions that both have."""
    place = {pair: row for row, pair in enumerate(b.pairs)}
    common = [(row, place[pair], pair) for row, pair in enumerate(a.pairs) if pair in place]
    return _Table(
        tuple(pair for _, _, pair in common),
        a.values[[row for row, _, _ in common]] - b.values[[row for _, row, _ in common]],
    )


def _estimated(
    table: _Table, bounds: Sequence[tuple[float, float]], *, unit: Unit, resamples: int, seed: int
) -> list[tuple[int, Estimate | None]]:
    """(sessions that have it, estimate of its mean over units) for each column; intervals stay within its bounds."""
    known = ~np.isnan(table.values)
    counts = known.sum(axis=0)
    values = table.values if unit is Unit.SESSION else _together(table, unit)
    samples = [column[~np.isnan(column)] for column in values.T]
    filled = iter(estimates([sample for sample in samples if len(sample)], resamples=resamples, seed=seed))
    found = [next(filled) if len(sample) else None for sample in samples]
    return [
        (int(count), estimate and _within(estimate, *limits))
        for count, estimate, limits in zip(counts, found, bounds, strict=True)
    ]


def _within(estimate: Estimate, least: float, greatest: float) -> Estimate:
    """The estimate with what of its interval is possible at all."""
    if estimate.interval is None:
        return estimate
    low, high = estimate.interval
    return replace(estimate, interval=(max(low, least), min(high, greatest)))


def _together(table: _Table, unit: Unit) -> Sample:
    """The mean of each persona's sessions, or of each session's branches; NaN where none has the number."""
    rows: defaultdict[object, list[int]] = defaultdict(list)
    for row, pair in enumerate(table.pairs):
        rows[pair[0] if unit is Unit.PERSONA else parent_of(pair)].append(row)
    known = ~np.isnan(table.values)
    sums = np.array([np.where(known[at], table.values[at], 0.0).sum(axis=0) for at in rows.values()])
    counts = np.array([known[at].sum(axis=0) for at in rows.values()])
    with np.errstate(invalid="ignore"):
        means: Sample = sums / counts
    return means


def _difference(
    setting: str, pairs: int, estimate: Estimate | None, corrected: Iterator[float], certified: bool
) -> Difference:
    if estimate is None:
        return Difference(setting, 0, None, 1.0, Verdict.MISSING)
    if not certified:
        return Difference(setting, pairs, estimate, 1.0, Verdict.UNCERTIFIED)
    p = next(corrected)
    if estimate.constant and estimate.mean == 0:
        verdict = Verdict.SAME
    elif p <= ALPHA:
        verdict = Verdict.DIFFERENT
    elif estimate.n < FEWEST or estimate.interval is None:
        verdict = Verdict.TOO_FEW
    else:
        verdict = Verdict.NOISE
    return Difference(setting, pairs, estimate, p, verdict)


def _unit(settings: Sequence[Setting], personas: int) -> Unit:
    several = any(len(setting.sessions) > personas for setting in settings)
    if several and personas >= ENOUGH_PERSONAS:
        return Unit.PERSONA
    return Unit.PARENT if any(pair[2] for setting in settings for pair in setting.sessions) else Unit.SESSION


def _unit_note(personas: int, unit: Unit) -> Iterator[str]:
    if unit is Unit.PERSONA:
        yield f"intervals resample {personas} personas by the means of their sessions: they hold for similar personas"
        return
    if unit is Unit.PARENT:
        yield "branches: a pair shares patient and seeds, with one turn generated again; those of one session count once"
    if personas < ENOUGH_PERSONAS:
        yield f"{personas} persona{'s' * (personas > 1)} only: intervals hold for these and say nothing about others"


def _baseline(settings: Sequence[Setting], wanted: str | None) -> Setting:
    """The first setting, or the one with this name, `KEY=VALUE` or run folder."""
    if wanted is None:
        return settings[0]
    found = [setting for setting in settings if _is_called(setting, wanted)]
    if len(found) == 1:
        return found[0]
    known = "; ".join(setting.name for setting in settings)
    meant = f"names {len(found)} settings" if found else "names no setting"
    raise ComparisonError(f"--baseline: {wanted} {meant}; expected one of: {known}; or a run folder")


def _is_called(setting: Setting, wanted: str) -> bool:
    names = (setting.name, setting.described, *setting.described.split())
    return wanted in names or any(Path(wanted).resolve() == run.path for run in setting.runs)


def _refuse_unknown(names: Sequence[str] | None, measured: set[str]) -> None:
    unknown = [name for name in names or () if name not in measured and name not in HEADLINES]
    if unknown:
        raise ComparisonError(f"--metric: no session has {listed(unknown)}; --all shows every metric")
