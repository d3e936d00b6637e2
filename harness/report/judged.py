"""The results of judging for the report: gates, scores of personas by items, quotes for their turns.

Invariant: memory and page size are bounded, however much was judged.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from harness.comparison.gates import GateRate, gate_rate
from harness.judges.records import Certificate, Gate, JudgeCertificate, Score, read_certificate, read_gates, read_scores

MOST_JUDGES = 4
MOST_PERSONAS = 200
MOST_FAILING = 100
MOST_NOTES = 400
"""Per session: number of turns with quotes."""


@dataclass(frozen=True, slots=True)
class Column:
    """One item of the heat map."""

    rubric: str
    item: str
    certified: bool
    low: float
    high: float
    """`low` and `high`: the lowest and the highest mean of a persona."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The mean of one item over the sessions of one persona, each with the median of its repeats and orders."""

    mean: float | None
    sessions: int
    missing: int
    """Sessions of which a repeat has no value."""
    shade: float
    """The position of the mean between the lowest (0) and the highest (1)."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A red answer that failed a session."""

    session_id: str
    rubric: str
    item: str
    confirmed: bool
    reason: str
    evidence: tuple[tuple[int, str], ...]
    """(turn, quote)."""


@dataclass(frozen=True, slots=True)
class Note:
    """A quote from a turn, with the answer that it supports."""

    rubric: str
    item: str
    answer: str
    quote: str
    severity: str | None
    certified: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """The results of one judge."""

    judge: str
    certificate: JudgeCertificate | None
    gates: tuple[GateRate, ...]
    failing: tuple[Failing, ...]
    failing_left_out: int
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    personas_left_out: int
    notes: Mapping[str, Mapping[int, tuple[Note, ...]]]
    """Session id to turn to quotes, for the sessions that are shown in full."""


def load_judged(run_dir: Path, shown: Set[str]) -> tuple[Judged, ...]:
    """The results of each judge; `shown` are the sessions that the page shows in full. Raises `StorageError`."""
    makers: dict[str, _Maker] = {}
    certificate = read_certificate(run_dir)
    for score in read_scores(run_dir):
        if score.judge not in makers and len(makers) < MOST_JUDGES:
            makers[score.judge] = _Maker(score.judge, certificate, shown)
        if maker := makers.get(score.judge):
            maker.add(score)
    gates = list(read_gates(run_dir)) if makers else []
    return tuple(maker.made([gate for gate in gates if gate.judge == judge]) for judge, maker in makers.items())


_Values = defaultdict[str, list[float | None]]
"""Session id to the values of its repeats and orders."""


class _Maker:
    def __init__(self, judge: str, certificate: Certificate, shown: Set[str]) -> None:
        self._judge = judge
        self._certificate = certificate
        self._shown = shown
        self._cells: defaultdict[tuple[str, str], defaultdict[str, _Values]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        self._courses = set[str]()
        """Courses that were judged as a whole: they are no sessions, and count as none."""
        self._red: list[Score] = []
        self._notes: defaultdict[str, defaultdict[int, dict[Note, None]]] = defaultdict(lambda: defaultdict(dict))
        self._left_out = 0

    def add(self, score: Score) -> None:
        of_personas = self._cells[score.rubric, score.item]
        if score.session_id == score.course:
            self._courses.add(score.session_id)
        else:
            of_personas[score.persona_id][score.session_id].append(score.value)
        if score.severity == "red":
            if len(self._red) < MOST_FAILING:
                self._red.append(score)
            else:
                self._left_out += 1
        if score.session_id in self._shown:
            for turn, note in self._noted(score):
                if len(self._notes[score.session_id]) < MOST_NOTES:
                    self._notes[score.session_id][turn].setdefault(note)

    def _noted(self, score: Score) -> Iterator[tuple[int, Note]]:
        """The quotes of a score; for an item about turns, the code of each turn."""
        certified = self._certificate.certified(self._judge, score.rubric, score.item)
        if score.turns:
            for turn in score.turns:
                if turn.value:
                    quote = turn.evidence[0].quote if turn.evidence else ""
                    yield turn.turn, Note(score.rubric, score.item, turn.answer or "", quote, None, certified)
            return
        for found in score.evidence:
            answer = score.answer or f"{score.value:g}"
            yield found.turn, Note(score.rubric, score.item, answer, found.quote, score.severity, certified)

    def made(self, gates: list[Gate]) -> Judged:
        personas = sorted({persona for cells in self._cells.values() for persona in cells})
        columns = tuple(self._column(*key) for key in self._cells)
        confirmed = {(gate.session_id, gate.rubric): gate.confirmed for gate in gates}
        of_sessions = [gate for gate in gates if gate.session_id not in self._courses]
        return Judged(
            judge=self._judge,
            certificate=self._certificate.judges.get(self._judge),
            gates=tuple(
                gate_rate("this run", rubric, [gate for gate in of_sessions if gate.rubric == rubric])
                for rubric in sorted({gate.rubric for gate in of_sessions})
            ),
            failing=tuple(
                Failing(
                    score.session_id,
                    score.rubric,
                    score.item,
                    confirmed.get((score.session_id, score.rubric), False),
                    score.reason,
                    tuple((found.turn, found.quote) for found in score.evidence),
                )
                for score in {(s.session_id, s.rubric, s.item): s for s in self._red}.values()
            ),
            failing_left_out=self._left_out,
            columns=columns,
            rows=tuple(
                (persona, tuple(self._cell(column, persona) for column in columns))
                for persona in personas[:MOST_PERSONAS]
            ),
            personas_left_out=max(0, len(personas) - MOST_PERSONAS),
            notes={
                session: {turn: tuple(notes) for turn, notes in turns.items()} for session, turns in self._notes.items()
            },
        )

    def _column(self, rubric: str, item: str) -> Column:
        means = [mean for found in self._cells[rubric, item].values() if (mean := _mean(_numbers(found))) is not None]
        certified = self._certificate.certified(self._judge, rubric, item)
        return Column(rubric, item, certified, min(means, default=0.0), max(means, default=0.0))

    def _cell(self, column: Column, persona: str) -> Cell:
        values = _numbers(self._cells[column.rubric, column.item].get(persona, {}))
        mean = _mean(values)
        span = column.high - column.low
        shade = 0.0 if mean is None or span == 0 else (mean - column.low) / span
        return Cell(mean, len(values), sum(value is None for value in values), shade)


def _numbers(sessions: Mapping[str, list[float | None]]) -> list[float | None]:
    """The number of each session; None if one of its repeats or orders has no value."""
    return [None if None in values else median(v for v in values if v is not None) for values in sessions.values()]


def _mean(values: list[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return fmean(given) if given else None
