"""What the report shows, read from a run folder and from nothing else.

Invariant: memory and page size are bounded. Of a large run the sessions that need a look, and else the first, are shown
in full, the next as rows that lead to pages of their own (`harness.report.beside`), and the rest is counted.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.agents.languages import shortcomings
from harness.config.recorded import read_config
from harness.errors import StorageError
from harness.fidelity.measures import PatientTurns
from harness.fidelity.report import add
from harness.judges.patients import PatientVerdicts
from harness.judges.records import read_gates
from harness.report.judged import Judged, Note, load_judged
from harness.report.pace import Pace, pace
from harness.report.personas import Personas
from harness.report.repeats import Repeats
from harness.report.rows import Row, row_of
from harness.report.run_metrics import read_metrics
from harness.report.shown import Shown, shown
from harness.report.words import link, page_link, quoted
from harness.store.records import FailureRecord, RunRecord, SessionRecord, read_failures, read_record, read_sessions
from harness.types import Source

_log = logging.getLogger(__name__)
MOST_ROWS = 2500
MOST_INLINE = 40
MOST_CHARACTERS = 1_000_000
"""Of the page's part for sessions in full, as estimated by `_size`."""
MOST_FAILURES = 200
_PER_TURN = 1_000
"""Characters of markup around a turn."""


@dataclass(slots=True)
class Report:
    """Everything on the page."""

    path: Path
    run: RunRecord
    metrics: Mapping[str, Any] | None
    rows: list[Row] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    inline: frozenset[str] = frozenset()
    """Ids of the sessions that are shown in full."""
    beside: frozenset[str] = frozenset()
    """Ids of the sessions that have a page of their own."""
    failures: list[FailureRecord] = field(default_factory=list)
    personas: Personas = field(default_factory=Personas)
    repeats: Repeats = field(default_factory=Repeats)
    pace: Pace | None = None
    judged: tuple[Judged, ...] = ()
    sessions: int = 0
    failed: int = 0
    turns: int = 0
    generated: int = 0
    flagged: Counter[str] = field(default_factory=Counter)
    """Sessions by what they can be filtered by."""
    patients: PatientTurns = field(default_factory=PatientTurns)
    """The turns of simulated patients, as measured for fidelity."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """On the sessions' simulated patients, where there are any."""
    tightest: tuple[int, int] | None = None
    """(free tokens, window) of the prompt that came nearest to its window."""

    @property
    def dry(self) -> tuple[str, ...]:
        """Speakers whose words the dry engine made up: nothing that is measured of the texts means anything then."""
        return tuple(sorted(name for name, engine in self.run.engines.items() if engine.kind == "dry"))

    def place(self, session_id: str, turn: int | None = None) -> str:
        """Where a session or a turn of it is read, as a link: on the report, on a page beside it, or as Markdown."""
        if session_id not in self.inline and session_id not in self.beside:
            return link(session_id)
        page = "" if session_id in self.inline else page_link(session_id)
        if turn is not None:
            return f"{page}#t-{quoted(session_id)}-{turn}"
        return page or f"#s-{quoted(session_id)}"

    def notes(self, session_id: str, turn: int) -> list[Note]:
        """What judges quoted of a turn."""
        return [note for judged in self.judged for note in judged.notes.get(session_id, {}).get(turn, ())]

    def limits(self) -> list[str]:
        """What the patient's side does not see in the languages of the run's patients."""
        patient = self.role("patient")
        if patient.get("kind") == "replay":
            return []
        return shortcomings(self.run.languages, str(patient.get("state", "rules")))

    def role(self, name: str) -> Mapping[str, Any]:
        """The settings of `patient` or `therapist`."""
        value = self.run.config.get(name)
        return value if isinstance(value, Mapping) else {}


def load(run_dir: Path) -> Report:
    """Read a run folder. Raises `StorageError` where it holds no run or a file is damaged."""
    record = read_record(run_dir)
    record = record.model_copy(update={"config": _config(record, run_dir)})
    report = Report(run_dir, record, read_metrics(run_dir / "metrics.json"))
    failed_gates: defaultdict[str, list[str]] = defaultdict(list)
    for gate in read_gates(run_dir):
        if gate.result == "fail" and gate.rubric not in failed_gates[gate.session_id]:
            failed_gates[gate.session_id].append(gate.rubric)
    chosen, patients = _Chosen(), PatientVerdicts(run_dir)
    for session in sessions(run_dir):
        metrics = patients.metrics(session)
        row = row_of(session, tuple(failed_gates.get(session.session_id, ())), metrics)
        _count(report, session, row)
        if "patient" not in report.dry and report.role("patient").get("kind") != "replay":
            add(report.patients, session, metrics)
        chosen.offer(session, row, 0 if report.dry else row.weight)
    report.shown = [shown(session, row) for session, row in chosen.sessions()]
    report.inline = frozenset(one.row.session_id for one in report.shown)
    report.beside = frozenset(row.session_id for row in report.rows) - report.inline
    path = run_dir / "failures.jsonl"
    for failure in read_failures(path) if path.exists() else ():
        report.failed += 1
        report.turns += len(failure.turns)
        if len(report.failures) < MOST_FAILURES:
            report.failures.append(failure)
    report.judged = load_judged(run_dir, report.inline | report.beside)
    report.pace = pace(run_dir)
    return report


def _config(record: RunRecord, run_dir: Path) -> dict[str, Any]:
    """The config in today's shape; empty where it can't be read, since the sessions can."""
    if record.source is Source.IMPORTED:
        return record.config
    try:
        return read_config(record.config, run_dir)[0].model_dump(mode="json")
    except StorageError as error:
        _log.warning("note: settings are left out: %s", error)
        return {}


def sessions(run_dir: Path) -> Iterator[SessionRecord]:
    """Of a run folder; none where there is no such file. Raises `StorageError` where it is damaged."""
    path = run_dir / "sessions.jsonl"
    return read_sessions(path) if path.exists() else iter(())


def _count(report: Report, session: SessionRecord, row: Row) -> None:
    report.sessions += 1
    report.turns += len(session.turns)
    report.generated += row.generated
    report.flagged.update(row.marks)
    if row.patient:
        report.verdicts[row.patient] += 1
    for turn in session.turns:
        if turn.max_model_len:
            free = turn.max_model_len - turn.prompt_tokens - turn.max_new_tokens
            if report.tightest is None or free < report.tightest[0]:
                report.tightest = (free, turn.max_model_len)
    report.personas.add(row)
    report.repeats.add(session.turns)
    if len(report.rows) < MOST_ROWS:
        report.rows.append(row)


class _Chosen:
    """The sessions that are shown in full: those that need a look most, then the first; never more than there is room for."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, int, SessionRecord, Row]] = []
        self._size = self._offered = 0

    def offer(self, session: SessionRecord, row: Row, weight: int) -> None:
        """Keep a session, and give up those that it outweighs where there is no room."""
        self._offered += 1
        self._kept.append((-weight, self._offered, session, row))
        self._size += _size(session)
        while len(self._kept) > MOST_INLINE or self._size > MOST_CHARACTERS:
            least = max(range(len(self._kept)), key=lambda at: self._kept[at][:2])
            self._size -= _size(self._kept.pop(least)[2])

    def sessions(self) -> list[tuple[SessionRecord, Row]]:
        """In the order of the run."""
        return [(session, row) for _, _, session, row in sorted(self._kept, key=lambda kept: kept[1])]


def _size(session: SessionRecord) -> int:
    notes = sum(len(str(event.data.get("note") or "")) for event in session.events)
    return sum(len(turn.text) + _PER_TURN for turn in session.turns) + notes
