"""Personas as rows of tables: means and spread of their sessions, and a heat map of personas by metrics."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.comparison.bootstrap import Estimate, Sample, estimates
from harness.comparison.catalogue import metric
from harness.metrics.aggregate import Spread
from harness.metrics.registry import Metric
from harness.report.rows import Row

MOST_PERSONAS = 200
COLUMNS = (
    *("therapist.repeating_turns", "patient.repeating_turns", "therapist.worn_out_share", "therapist.echo"),
    *("therapist.question_rate", "therapist.reflection_rate", "therapist.words_per_turn", "patient.words_per_turn"),
    *("course.state.trust.change", "course.state.distress.change", "course.disclosure.told", "retention.share"),
)
"""Columns of the heat map, for metrics that any session has."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric of one persona: mean and standard deviation over its sessions, and its position in the column."""

    mean: float | None
    sd: float | None
    shade: float


@dataclass(frozen=True, slots=True)
class PersonaRow:
    """One persona with all its sessions."""

    persona_id: str
    sessions: int
    first: str
    """Id of its first session."""
    exchanges: Mapping[str, float | int | None]
    """`n`, `mean`, `sd`, `min`, `max`."""
    flagged: int
    """Number of sessions to review."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of one metric over personas."""

    metric: Metric
    estimate: Estimate


class Personas:
    """Aggregates rows one by one; memory depends on the number of personas."""

    def __init__(self) -> None:
        self._spreads: defaultdict[str, defaultdict[str, Spread]] = defaultdict(lambda: defaultdict(Spread))
        self._exchanges: defaultdict[str, Spread] = defaultdict(Spread)
        self._flagged: defaultdict[str, int] = defaultdict(int)
        self._first: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._exchanges)

    def add(self, row: Row) -> None:
        """Add a session."""
        self._exchanges[row.persona_id].add(row.exchanges)
        self._flagged[row.persona_id] += row.weight > 0
        self._first.setdefault(row.persona_id, row.session_id)
        for name in COLUMNS:
            if (value := row.numbers.get(name)) is not None:
                self._spreads[row.persona_id][name].add(value)

    def columns(self) -> list[Metric]:
        """The metrics that any session has."""
        return [metric(name) for name in COLUMNS if any(name in own for own in self._spreads.values())]

    def rows(self) -> list[PersonaRow]:
        """The first personas by name, with cells for `columns`."""
        names = [column.name for column in self.columns()]
        ranges = {name: self._range(name) for name in names}
        return [
            PersonaRow(
                persona_id=persona,
                sessions=self._exchanges[persona].n,
                first=self._first[persona],
                exchanges=self._exchanges[persona].as_dict(),
                flagged=self._flagged[persona],
                cells=tuple(_cell(self._spreads[persona].get(name), ranges[name]) for name in names),
            )
            for persona in sorted(self._exchanges)[:MOST_PERSONAS]
        ]

    def intervals(self) -> list[Interval]:
        """Means over personas with 95% confidence intervals, for metrics that are shares."""
        import numpy as np

        shares = [column for column in self.columns() if column.share]
        samples: list[Sample] = [np.array(self._means(column.name), dtype=np.float64) for column in shares]
        return [Interval(column, found) for column, found in zip(shares, estimates(samples), strict=True)]

    def _means(self, name: str) -> list[float]:
        return [
            self._spreads[persona][name].mean for persona in sorted(self._spreads) if name in self._spreads[persona]
        ]

    def _range(self, name: str) -> tuple[float, float]:
        means = self._means(name)
        return min(means, default=0.0), max(means, default=0.0)


def _cell(spread: Spread | None, reach: tuple[float, float]) -> Cell:
    if spread is None or not spread.n:
        return Cell(None, None, 0.0)
    low, high = reach
    shade = 0.0 if high <= low else (spread.mean - low) / (high - low)
    deviation = spread.as_dict()["sd"]
    return Cell(spread.mean, None if deviation is None else float(deviation), shade)


def flagged(rows: Iterable[Row], most: int) -> list[Row]:
    """At most `most` sessions to review, most serious first."""
    return sorted((row for row in rows if row.weight), key=lambda row: (-row.weight, row.session_id))[:most]
