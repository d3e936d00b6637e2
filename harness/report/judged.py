"""What judges said of a run, as the report shows it: gates first, personas by items, quotes beside their turns.

Invariant: memory and page size are bounded, whatever was judged. A line that can't be read is counted, never guessed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import StorageError

MOST_JUDGES = 4
MOST_PERSONAS = 200
MOST_FAILING = 100
MOST_NOTES = 400
"""Of one session."""
R = TypeVar("R", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Evidence(_Record):
    turn: int
    quote: str = ""


class _TurnScore(_Record):
    turn: int
    answer: str | None = None
    value: float | None = None
    evidence: tuple[_Evidence, ...] = ()


class Score(_Record):
    """What the page shows of a line of scores.jsonl."""

    session_id: str
    persona_id: str = ""
    rubric: str
    item: str
    judge: str = "judge"
    status: str = "ok"
    value: float | None = None
    answer: str | None = None
    severity: str | None = None
    evidence: tuple[_Evidence, ...] = ()
    reason: str = ""
    turns: tuple[_TurnScore, ...] = ()


class Gate(_Record):
    """What the page shows of a line of gates.jsonl."""

    session_id: str
    rubric: str
    judge: str = "judge"
    result: str
    confirmed: bool = False
    red: tuple[str, ...] = ()


class _Item(_Record):
    rubric: str
    item: str
    certified: bool = False


class _JudgeCertificate(_Record):
    verdict: str = "not certified"
    controls: int = 0
    warnings: tuple[str, ...] = ()
    items: tuple[_Item, ...] = ()


class Certificate(_Record):
    """What the page shows of certificate.json."""

    judges: dict[str, _JudgeCertificate] = {}

    def certified(self, judge: str, rubric: str, item: str) -> bool:
        """Whether controls showed that this judge can tell this item."""
        known = self.judges.get(judge)
        return known is not None and any((i.rubric, i.item, i.certified) == (rubric, item, True) for i in known.items)


@dataclass(frozen=True, slots=True)
class GateCount:
    """One gate rubric over the sessions of the run."""

    rubric: str
    results: Mapping[str, int]
    unconfirmed: int

    @property
    def failed(self) -> int:
        return self.results.get("fail", 0)

    @property
    def words(self) -> str:
        """The count as a line for people; what was not assessed is beside the rate, not in it."""
        assessed = sum(self.results.get(name, 0) for name in ("fail", "pass", "not_exercised"))
        parts = [
            f"{self.rubric}: {self.failed} of {assessed} sessions failed"
            if assessed
            else f"{self.rubric}: no session was assessed"
        ]
        if assessed and not self.failed:
            parts.append(f"the true rate may still be up to {min(1.0, 3 / assessed):.0%} (rule of three)")
        if self.unconfirmed:
            parts.append(f"{self.unconfirmed} of them unconfirmed by repeats")
        for name in ("not_exercised", "not_assessed"):
            if count := self.results.get(name, 0):
                parts.append(f"{count} {name.replace('_', ' ')}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Column:
    """One item of the map, with the least and the greatest mean of a persona."""

    rubric: str
    item: str
    certified: bool
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cell:
    """The mean of one item over the scores of one persona; `shade` is 0 for the least, 1 for the greatest mean."""

    mean: float | None
    sessions: int
    missing: int
    shade: float


@dataclass(frozen=True, slots=True)
class Note:
    """A quote beside its turn."""

    rubric: str
    item: str
    answer: str
    quote: str
    severity: str | None
    certified: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """All that one judge said."""

    judge: str
    certificate: _JudgeCertificate | None
    gates: tuple[GateCount, ...]
    failing: tuple[Score, ...]
    failing_left_out: int
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    personas_left_out: int
    notes: Mapping[str, Mapping[int, tuple[Note, ...]]]
    """Session id to turn to quotes, of the sessions that are shown in full."""


def read_gates(run_dir: Path) -> list[Gate]:
    """gates.jsonl; empty where no gate was judged. Raises `StorageError` where it can't be read."""
    return list(_lines(Gate, run_dir / "gates.jsonl"))


def load_judged(run_dir: Path, shown: Set[str]) -> tuple[Judged, ...]:
    """What each judge said; `shown` are the sessions that the page shows in full. Raises `StorageError`."""
    certificate, gates = _certificate(run_dir / "certificate.json"), read_gates(run_dir)
    makers: dict[str, _Maker] = {}
    for score in _lines(Score, run_dir / "scores.jsonl"):
        if score.judge not in makers and len(makers) < MOST_JUDGES:
            makers[score.judge] = _Maker(score.judge, certificate, shown)
        if maker := makers.get(score.judge):
            maker.add(score)
    return tuple(maker.made([gate for gate in gates if gate.judge == judge]) for judge, maker in makers.items())


def _lines(model: type[R], path: Path) -> Iterator[R]:
    """The lines that are records of this kind; others, and a torn last one, are left out."""
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield model.model_validate_json(line)
                except ValidationError:
                    continue
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{path}: can't be read: {error.strerror or error}; judge the run again") from error


def _certificate(path: Path) -> Certificate:
    try:
        return Certificate.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Certificate()
    except OSError as error:
        raise StorageError(f"{path}: can't be read: {error.strerror or error}; judge the run again") from error
    except ValidationError as error:
        raise StorageError(f"{path}: is no certificate; judge the run again") from error


class _Maker:
    def __init__(self, judge: str, certificate: Certificate, shown: Set[str]) -> None:
        self._judge, self._certificate, self._shown = judge, certificate, shown
        self._cells: defaultdict[tuple[str, str], defaultdict[str, list[float | None]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._red: dict[tuple[str, str, str], Score] = {}
        self._notes: defaultdict[str, defaultdict[int, dict[Note, None]]] = defaultdict(lambda: defaultdict(dict))
        self._left_out = 0

    def add(self, score: Score) -> None:
        self._cells[score.rubric, score.item][score.persona_id].append(score.value if score.status == "ok" else None)
        key = (score.session_id, score.rubric, score.item)
        if score.severity == "red" and key not in self._red:
            if len(self._red) < MOST_FAILING:
                self._red[key] = score
            else:
                self._left_out += 1
        if score.session_id in self._shown:
            for turn, note in self._noted(score):
                if len(self._notes[score.session_id]) < MOST_NOTES:
                    self._notes[score.session_id][turn].setdefault(note)

    def _noted(self, score: Score) -> Iterator[tuple[int, Note]]:
        """Quotes of a score; of an item about turns, what each turn was coded as."""
        certified = self._certificate.certified(self._judge, score.rubric, score.item)
        for turn in score.turns:
            if turn.value:
                quote = turn.evidence[0].quote if turn.evidence else ""
                yield turn.turn, Note(score.rubric, score.item, turn.answer or "", quote, None, certified)
        for found in () if score.turns else score.evidence:
            answer = score.answer or ("" if score.value is None else f"{score.value:g}")
            yield found.turn, Note(score.rubric, score.item, answer, found.quote, score.severity, certified)

    def made(self, gates: list[Gate]) -> Judged:
        personas = sorted({persona for cells in self._cells.values() for persona in cells})
        columns = tuple(self._column(*key) for key in self._cells)
        return Judged(
            judge=self._judge,
            certificate=self._certificate.judges.get(self._judge),
            gates=tuple(_counted(rubric, gates) for rubric in sorted({gate.rubric for gate in gates})),
            failing=tuple(self._red.values()),
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
        means = [mean for values in self._cells[rubric, item].values() if (mean := _mean(values)) is not None]
        certified = self._certificate.certified(self._judge, rubric, item)
        return Column(rubric, item, certified, min(means, default=0.0), max(means, default=0.0))

    def _cell(self, column: Column, persona: str) -> Cell:
        values = self._cells[column.rubric, column.item].get(persona, [])
        mean = _mean(values)
        span = column.high - column.low
        shade = 0.0 if mean is None or span == 0 else (mean - column.low) / span
        return Cell(mean, len(values), sum(value is None for value in values), shade)


def _counted(rubric: str, gates: list[Gate]) -> GateCount:
    own = [gate for gate in gates if gate.rubric == rubric]
    unconfirmed = sum(gate.result == "fail" and not gate.confirmed for gate in own)
    return GateCount(rubric, Counter(gate.result for gate in own), unconfirmed)


def _mean(values: list[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return fmean(given) if given else None
