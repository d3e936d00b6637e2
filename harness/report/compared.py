"""A comparison prepared for a page: a heat map of settings by metrics, and dot plots of paired differences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.comparison.comparison import Comparison, Row, Verdict
from harness.comparison.output import METHOD
from harness.comparison.words import difference_shown, findings, mean_shown, pairs_shown, sentence
from harness.fidelity.report import is_simulated
from harness.report import page

__all__ = ["Compared", "compared", "comparison_page"]


@dataclass(frozen=True, slots=True)
class Shade:
    """The mean of one setting for one metric, and its position between the lowest (0) and the highest (1)."""

    shown: str
    value: float


@dataclass(frozen=True, slots=True)
class Dot:
    """One paired difference."""

    setting: str
    mean: float
    interval: tuple[float, float] | None
    told: bool
    """Whether it is significant after the correction."""
    shown: str
    pairs: str
    sentence: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric: means of all settings, and differences from the baseline on a common axis."""

    label: str
    group: str
    wanted: str
    means: tuple[Shade, ...]
    dots: tuple[Dot, ...]
    domain: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison prepared for a page."""

    baseline: str
    settings: tuple[tuple[str, str, int], ...]
    """(name, keys in which it differs from the others, number of sessions)."""
    rows: tuple[MetricRow, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    gates: tuple[str, ...]
    method: str = METHOD


def compared(comparison: Comparison) -> Compared:
    """Prepare a comparison for a page."""
    return Compared(
        baseline=comparison.baseline.name,
        settings=tuple((s.name, s.described, len(s.sessions)) for s in comparison.settings),
        rows=tuple(_row(row, comparison) for row in comparison.rows),
        findings=tuple(findings(comparison)),
        notes=comparison.notes,
        gates=tuple(gate.words for gate in getattr(comparison, "gates", ())),
    )


def comparison_page(comparison: Comparison, valid: Comparison | None = None) -> str:
    """The comparison as an HTML page; `valid` is the same without sessions whose simulated patient is invalid."""
    return page.render(
        "compare.html.jinja",
        compared=compared(comparison),
        valid=valid and compared(valid),
        simulated=all(is_simulated(run.record) for setting in comparison.settings for run in setting.runs),
    )


def _row(row: Row, comparison: Comparison) -> MetricRow:
    dots = tuple(_dots(row, comparison))
    return MetricRow(
        label=row.metric.label,
        group=row.metric.group,
        wanted=str(row.metric.wanted or ""),
        means=tuple(_shades(row)),
        dots=dots,
        domain=_domain(dots),
    )


def _shades(row: Row) -> Iterator[Shade]:
    means = [mean.estimate.mean for mean in row.means if mean.estimate]
    low, high = min(means, default=0.0), max(means, default=0.0)
    for mean in row.means:
        value = 0.0 if mean.estimate is None or high <= low else (mean.estimate.mean - low) / (high - low)
        yield Shade(mean_shown(row.metric, mean.estimate), value)


def _dots(row: Row, comparison: Comparison) -> Iterator[Dot]:
    for difference in row.differences:
        if difference.estimate is not None:
            yield Dot(
                setting=difference.setting,
                mean=difference.estimate.mean,
                interval=difference.estimate.interval,
                told=difference.verdict is Verdict.DIFFERENT,
                shown=difference_shown(row.metric, difference.estimate),
                pairs=pairs_shown(difference, comparison.unit),
                sentence=sentence(row, difference, comparison),
            )


def _domain(dots: Sequence[Dot]) -> tuple[float, float]:
    """The axis: symmetric around 0, and as wide as the widest interval."""
    ends = [abs(end) for dot in dots for end in (dot.interval or (dot.mean,))] + [abs(dot.mean) for dot in dots]
    reach = max(ends, default=0.0) or 1.0
    return -reach, reach
