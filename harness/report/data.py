"""The content of the report, read only from the run folder.

Invariant: memory and page size are bounded. Of a large run, the sessions to review, and then the first ones, are shown in
full. The next are rows with links to pages of their own (`harness.report.beside`). The rest is only counted.
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
from harness.fidelity.report import add, is_simulated
from harness.judges.patients import PatientVerdicts
from harness.judges.records import read_gates
from harness.report.judged import Judged, Note, load_judged
from harness.report.pace import Pace, pace
from harness.report.personas import Personas, flagged
from harness.report.repeats import Repeats
from harness.report.rows import Row, row_of
from harness.report.run_metrics import read_metrics
from harness.report.shown import Shown, shown
from harness.report.words import link, page_link, quoted
from harness.store.lock import standing
from harness.store.records import FailureRecord, RunRecord, SessionRecord, read_failures, read_record, read_sessions
from harness.types import Source

_log = logging.getLogger(__name__)
MOST_ROWS = 2500
MOST_INLINE = 40
MOST_CHARACTERS = 1_000_000
"""Bounds the sessions that are shown in full, as estimated by `_size`."""
MOST_FAILURES = 200
MOST_TO_REVIEW = 12
_PER_TURN = 1_000
"""Estimated characters of markup per turn."""


@dataclass(slots=True)
class Report:
    """The content of the page."""

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
    courses: defaultdict[str, list[tuple[int, str, int]]] = field(default_factory=lambda: defaultdict(list))
    """The sessions of each course: (place in it, session id, number of turns)."""
    to_review: list[Row] = field(default_factory=list)
    """The sessions to review, most serious first."""
    sessions: int = 0
    failed: int = 0
    turns: int = 0
    generated: int = 0
    flagged: Counter[str] = field(default_factory=Counter)
    """Numbers of sessions by filter: findings, failed gates, verdicts on the patient."""
    patients: PatientTurns = field(default_factory=PatientTurns)
    """The turns of simulated patients, for the fidelity section."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Numbers of sessions by the verdict on their simulated patient."""
    tightest: tuple[int, int] | None = None
    """(free tokens, window) of the prompt with the fewest free tokens."""

    @property
    def dry(self) -> tuple[str, ...]:
        """Speakers whose turns are random text of the dry engine: measures of these texts are meaningless."""
        return tuple(sorted(name for name, engine in self.run.engines.items() if engine.kind == "dry"))

    @property
    def simulated(self) -> bool:
        """Whether the patients are simulated."""
        return is_simulated(self.run)

    def place(self, session_id: str, turn: int | None = None) -> str:
        """The link to a session, or to one of its turns: in the report, on a page of its own, or to its Markdown."""
        if session_id not in self.inline and session_id not in self.beside:
            return link(session_id)
        page = "" if session_id in self.inline else page_link(session_id)
        if turn is not None:
            return f"{page}#t-{quoted(session_id)}-{turn}"
        return page or f"#s-{quoted(session_id)}"

    def spot(self, session_id: str, turn: int) -> tuple[str, int]:
        """The session of a judged turn, and its index there: in a whole course, turns are numbered continuously."""
        at = turn
        for _, member, turns in sorted(self.courses.get(session_id, ())):
            if at < turns:
                return member, at
            at -= turns
        return session_id, turn

    def notes(self, session_id: str, turn: int) -> list[Note]:
        """The quotes of judges from a turn."""
        return [note for judged in self.judged for note in judged.notes.get(session_id, {}).get(turn, ())]

    def limits(self) -> list[str]:
        """Limits of the patient simulation in the languages of the run, one sentence each."""
        if not self.simulated:
            return []
        return shortcomings(self.run.languages, str(self.role("patient").get("state", "rules")))

    def role(self, name: str) -> Mapping[str, Any]:
        """The settings of `patient` or `therapist`; empty for imported sessions, which no model of ours spoke."""
        value = None if self.run.source is Source.IMPORTED else self.run.config.get(name)
        return value if isinstance(value, Mapping) else {}


def load(run_dir: Path) -> Report:
    """Read a run folder. Raises `StorageError` if it contains no run or a file is damaged."""
    record = read_record(run_dir)
    record = record.model_copy(update={"config": _config(record, run_dir), "status": standing(run_dir, record)})
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
        if "patient" not in report.dry and report.simulated:
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
    """The config in the current format; empty if it can't be read, because the sessions still can."""
    if record.source is Source.IMPORTED:
        return record.config
    try:
        return read_config(record.config, run_dir)[0].model_dump(mode="json")
    except StorageError as error:
        _log.warning("note: settings are left out: %s", error)
        return {}


def sessions(run_dir: Path) -> Iterator[SessionRecord]:
    """The finished sessions of a run folder; none without sessions.jsonl. Raises `StorageError` if it is damaged."""
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
    if session.course is not None:
        report.courses[session.course].append((session.number, session.session_id, len(session.turns)))
    if row.weight:
        report.to_review = flagged([*report.to_review, row], MOST_TO_REVIEW)
    report.personas.add(row)
    report.repeats.add(session.turns)
    if len(report.rows) < MOST_ROWS:
        report.rows.append(row)


class _Chosen:
    """Chooses the sessions that are shown in full: those to review first, then the first ones, within the bounds."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, int, SessionRecord, Row]] = []
        self._size = self._offered = 0

    def offer(self, session: SessionRecord, row: Row, weight: int) -> None:
        """Add a session; if the bounds are exceeded, drop those with the least weight."""
        self._offered += 1
        self._kept.append((-weight, self._offered, session, row))
        self._size += _size(session)
        while len(self._kept) > MOST_INLINE or self._size > MOST_CHARACTERS:
            least = max(range(len(self._kept)), key=lambda at: self._kept[at][:2])
            self._size -= _size(self._kept.pop(least)[2])

    def sessions(self) -> list[tuple[SessionRecord, Row]]:
        """The chosen sessions in the order of the run."""
        return [(session, row) for _, _, session, row in sorted(self._kept, key=lambda kept: kept[1])]


def _size(session: SessionRecord) -> int:
    notes = sum(len(str(event.data.get("note") or "")) for event in session.events)
    return sum(len(turn.text) + _PER_TURN for turn in session.turns) + notes
