"""Compares settings with a baseline in each metric, by differences of sessions with the same persona and seed.

Invariants:
- Both sessions of a paired difference have the same persona and seed.
- The multiple-comparison correction counts every difference that is shown and tested.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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
"""With at least this many, and several sessions for some, personas are resampled instead of sessions."""
ALPHA = 0.05
"""A difference is significant if its corrected p-value is at most this."""


class Unit(StrEnum):
    """What is resampled: the largest independent unit of which there are enough."""

    SESSION = "session"
    PARENT = "parent session"
    """The session that branches continue: branches of one session are not independent."""
    PERSONA = "persona"


class Verdict(StrEnum):
    """The conclusion on a difference."""

    DIFFERENT = "different"
    """Significant at 5% after the multiple-comparison correction."""
    NOISE = "noise"
    """Tested and not significant."""
    SAME = "same"
    """No pair differs."""
    TOO_FEW = "too_few"
    """Too few pairs for a test, or too little variation between them."""
    MISSING = "missing"
    """No pair has the metric on both sides."""
    UNCERTIFIED = "uncertified"
    """Not tested, because the judge is not certified for the item."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting minus the baseline, in one metric."""

    setting: str
    pairs: int
    """Pairs of sessions."""
    estimate: Estimate | None
    """Of the mean difference over units (see `Unit`); None without pairs."""
    p_adjusted: float
    """Corrected for all comparisons; 1 if not tested."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of one setting in one metric."""

    setting: str
    sessions: int
    """Sessions that have the metric."""
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class Row:
    """One metric in all settings."""

    metric: Metric
    means: tuple[Mean, ...]
    """One for each setting, in order."""
    differences: tuple[Difference, ...]
    """One for each setting except the baseline, in order."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A finished comparison: everything that the outputs show."""

    settings: tuple[Setting, ...]
    baseline: Setting
    personas: int
    """Personas of the baseline."""
    unit: Unit
    rows: tuple[Row, ...]
    comparisons: int
    """Differences that the correction counts."""
    resamples: int
    seed: int
    notes: tuple[str, ...]
    """What a reader needs to know before the numbers, one sentence each."""
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
    """Compare the settings of `runs` with a baseline.

    `baseline` is the name of a setting, `KEY=VALUE` or a run folder; by default the first setting.
    `names` are metrics: by default the headlines and all scores of the judge; None takes every metric of any session.
    `by` is a config key: its values are compared, averaged over all other keys (see `marginal`).
    `seed` is that of the bootstrap.
    `uncertified` also tests scores for which the judge is not certified.

    Raises `ComparisonError` with every reason why the runs can't be compared.
    """
    settings = settings_of(runs)
    refuse(settings)
    _refuse_judges(runs)
    known_notes = list(notes(settings))
    if by is not None:
        averaged = margin(settings, by)
        settings = list(averaged.settings)
        known_notes.insert(0, averaged.note)
    base = _baseline(settings, baseline)
    measured = {name for setting in settings for session in setting.sessions.values() for name in session.numbers}
    _refuse_unknown(names, measured)
    scores = {name for name in measured if name.startswith(PREFIX)}
    metrics = ordered(measured if names is None else {*names, *(scores if names is HEADLINES else ())})
    untested = set() if uncertified else _uncertified(runs)
    personas = len({pair[0] for pair in base.sessions})
    unit = _unit(settings, personas)
    tables = {setting.name: _table(setting, metrics) for setting in settings}
    others = [setting for setting in settings if setting is not base]
    resamples = resamples_for(len(others) * len(metrics))
    draw = partial(_estimated, unit=unit, resamples=resamples, seed=seed)
    bounds = [metric.bounds for metric in metrics]
    bounds_of_differences = [(low - high, high - low) for low, high in bounds]
    means = {name: draw(table, bounds) for name, table in tables.items()}
    differences = {s.name: draw(_minus(tables[s.name], tables[base.name]), bounds_of_differences) for s in others}
    rows, tested = _rows(metrics, means, differences, untested)
    all_notes = (*_unit_note(personas, unit), *known_notes, *_judge_notes(runs, untested, metrics))
    gates = tuple(gate_rates(settings))
    return Comparison(tuple(settings), base, personas, unit, rows, tested, resamples, seed, all_notes, gates)


def _rows(
    metrics: Sequence[Metric],
    means: Mapping[str, Sequence[tuple[int, Estimate | None]]],
    differences: Mapping[str, Sequence[tuple[int, Estimate | None]]],
    untested: Collection[str],
) -> tuple[tuple[Row, ...], int]:
    """(a row for each metric, number of differences that were tested), from the estimates of each setting by name."""
    tested = [i for i, metric in enumerate(metrics) if metric.name not in untested]
    estimated = [estimate for i in tested for found in differences.values() if (estimate := found[i][1])]
    corrected = iter(adjusted([estimate.p for estimate in estimated]))
    rows = []
    for i, metric in enumerate(metrics):
        certified = metric.name not in untested
        shown = metric if certified else replace(metric, label=f"{metric.label} (not certified)")
        of_settings = tuple(Mean(name, *found[i]) for name, found in means.items())
        of_others = tuple(_difference(name, *found[i], corrected, certified) for name, found in differences.items())
        rows.append(Row(shown, of_settings, of_others))
    return tuple(rows), len(estimated)


def _uncertified(runs: Sequence[RunData]) -> set[str]:
    """Names of scores for which the judge of any run is not certified."""
    return {name for run in runs for name, certified in run.judged.certified.items() if not certified}


def _refuse_judges(runs: Sequence[RunData]) -> None:
    judges = sorted({run.judged.judge for run in runs if run.judged.judge is not None})
    if len(judges) > 1:
        raise ComparisonError(
            f"the runs were judged by different judges: {', '.join(judges)}; judge all runs with one judge, or choose "
            "one with --judge NAME"
        )


def _judge_notes(runs: Sequence[RunData], untested: set[str], metrics: Sequence[Metric]) -> Iterator[str]:
    shown = sum(metric.name in untested for metric in metrics)
    if shown:
        yield (
            f"the judge is not certified for {shown} score{'s' * (shown != 1)}: differences are shown but not tested "
            "(--uncertified tests them)"
        )
    not_judged = [str(run.path) for run in runs if run.judged.judge is None]
    if not_judged and len(not_judged) < len(runs):
        yield f"{listed(not_judged)}: not judged, so no scores"


@dataclass(frozen=True, slots=True)
class _Table:
    """Numbers of sessions: one row per session, one column per metric, NaN if the session does not have it.

    Rows are sorted by pair, so that results do not depend on the order in which sessions ended.
    """

    pairs: tuple[Pair, ...]
    values: Sample


def _table(setting: Setting, metrics: Sequence[Metric]) -> _Table:
    pairs = tuple(sorted(setting.sessions))
    rows = [[setting.sessions[pair].value(metric.name) for metric in metrics] for pair in pairs]
    return _Table(pairs, np.array(rows, dtype=np.float64).reshape(len(pairs), len(metrics)))


def _minus(a: _Table, b: _Table) -> _Table:
    """Paired differences `a` - `b`, one row for each pair that both have."""
    rows_of_b = {pair: row for row, pair in enumerate(b.pairs)}
    common = [(row, rows_of_b[pair], pair) for row, pair in enumerate(a.pairs) if pair in rows_of_b]
    return _Table(
        tuple(pair for _, _, pair in common),
        a.values[[row for row, _, _ in common]] - b.values[[row for _, row, _ in common]],
    )


def _estimated(
    table: _Table, bounds: Sequence[tuple[float, float]], *, unit: Unit, resamples: int, seed: int
) -> list[tuple[int, Estimate | None]]:
    """For each column: (sessions that have it, estimate of its mean over units). Intervals are clipped to `bounds`."""
    known = ~np.isnan(table.values)
    counts = known.sum(axis=0)
    values = table.values if unit is Unit.SESSION else _unit_means(table, unit)
    samples = [column[~np.isnan(column)] for column in values.T]
    filled = iter(estimates([sample for sample in samples if len(sample)], resamples=resamples, seed=seed))
    found = [next(filled) if len(sample) else None for sample in samples]
    return [
        (int(count), estimate and _within(estimate, *limits))
        for count, estimate, limits in zip(counts, found, bounds, strict=True)
    ]


def _within(estimate: Estimate, least: float, greatest: float) -> Estimate:
    """The estimate, with its interval clipped to the possible values."""
    if estimate.interval is None:
        return estimate
    low, high = estimate.interval
    return replace(estimate, interval=(max(low, least), min(high, greatest)))


def _unit_means(table: _Table, unit: Unit) -> Sample:
    """The mean of each persona's sessions, or of each session's branches; NaN if none of them has the metric."""
    rows: defaultdict[object, list[int]] = defaultdict(list)
    for row, pair in enumerate(table.pairs):
        rows[pair[0] if unit is Unit.PERSONA else parent_of(pair)].append(row)
    if not rows:
        return table.values
    known = ~np.isnan(table.values)
    sums = np.array([np.where(known[at], table.values[at], 0.0).sum(axis=0) for at in rows.values()])
    counts = np.array([known[at].sum(axis=0) for at in rows.values()])
    with np.errstate(invalid="ignore"):
        means: Sample = sums / counts
    return means


def _difference(
    setting: str, pairs: int, estimate: Estimate | None, corrected: Iterator[float], certified: bool
) -> Difference:
    """The difference with its verdict. Takes the next of the `corrected` p-values if it was tested."""
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
    """What to resample, given the number of personas."""
    several = any(len(setting.sessions) > personas for setting in settings)
    if several and personas >= ENOUGH_PERSONAS:
        return Unit.PERSONA
    return Unit.PARENT if any(pair[2] for setting in settings for pair in setting.sessions) else Unit.SESSION


def _unit_note(personas: int, unit: Unit) -> Iterator[str]:
    if unit is Unit.PERSONA:
        yield f"intervals resample {personas} personas by the means of their sessions: they hold for similar personas"
        return
    if unit is Unit.PARENT:
        yield "branches: pairs share patient and seeds, with one turn generated again; those of one session count once"
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
