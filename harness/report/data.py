"""What the report shows, read from a run folder and from nothing else.

Invariant: memory and page size are bounded; of a large run the first sessions are shown in full, the next as rows, and
the rest is counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, field_validator

from harness.errors import StorageError
from harness.guard.findings import FINDINGS
from harness.metrics.usage import fullness
from harness.store.records import FailureRecord, RunRecord, SessionRecord, read_failures, read_record, read_sessions
from harness.types import Event, Speaker, Turn

MOST_ROWS = 1000
MOST_INLINE = 40
MOST_CHARACTERS = 1_500_000
"""Of transcripts on the page."""
MOST_FAILURES = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One session of the table."""

    session_id: str
    persona_id: str
    number: int | None
    """Place in its course; None for a session of its own."""
    stop_reason: str
    exchanges: int
    generated: int
    longest_prompt: int
    fullest: float | None
    """Greatest share of a window that a prompt and its reserve took."""
    window: tuple[float, ...]
    """Share of the therapist's window at each of its turns."""
    compactions: int
    findings: Mapping[str, int]
    inline: bool


@dataclass(frozen=True, slots=True)
class Said:
    """A turn with what happened around it."""

    turn: Turn
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A session shown in full."""

    row: Row
    turns: tuple[Said, ...]
    metrics: Mapping[str, Any]
    seed: int


@dataclass(slots=True)
class Report:
    """Everything on the page."""

    run: RunRecord
    metrics: Mapping[str, Any] | None
    rows: list[Row] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)
    sessions: int = 0
    failed: int = 0
    turns: int = 0
    generated: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    tightest: tuple[int, int] | None = None
    """(free tokens, window) of the prompt that came nearest to its window."""

    @property
    def dry(self) -> tuple[str, ...]:
        """Speakers whose words the dry engine made up: nothing that is measured of the texts means anything then."""
        return tuple(sorted(name for name, engine in self.run.engines.items() if engine.kind == "dry"))

    def role(self, name: str) -> Mapping[str, Any]:
        """The settings of `patient` or `therapist`."""
        value = self.run.config.get(name)
        return value if isinstance(value, Mapping) else {}


def load(run_dir: Path) -> Report:
    """Read a run folder. Raises `StorageError` where it holds no run or a file is damaged."""
    report = Report(read_record(run_dir), _metrics(run_dir / "metrics.json"))
    characters = 0
    for session in _lines(run_dir / "sessions.jsonl"):
        length = sum(len(turn.text) for turn in session.turns)
        inline = len(report.shown) < MOST_INLINE and characters + length <= MOST_CHARACTERS
        characters += length if inline else 0
        _add(report, session, inline)
    path = run_dir / "failures.jsonl"
    for failure in read_failures(path) if path.exists() else ():
        report.failed += 1
        report.turns += len(failure.turns)
        if len(report.failures) < MOST_FAILURES:
            report.failures.append(failure)
    return report


def _lines(path: Path) -> Iterator[SessionRecord]:
    return read_sessions(path) if path.exists() else iter(())


class _Found(BaseModel):
    """How often the guard found something."""

    turns: int
    sessions: int


class _Spread(BaseModel):
    """A metric over the sessions; shares in [0, 1]."""

    mean: float | None
    sd: float | None


class _Diversity(BaseModel):
    mean_likeness: float | None


class _Metrics(BaseModel):
    """What the page shows of metrics.json; `trajectories` are means by exchange in [0, 1]."""

    usage: dict[str, float | None]
    guard: dict[str, _Found]
    endings: dict[str, int]
    metrics: dict[str, _Spread]
    trajectories: dict[str, list[float]]
    diversity: _Diversity | None

    @field_validator("guard")
    @classmethod
    def _has_those_at_the_top(cls, guard: dict[str, _Found]) -> dict[str, _Found]:
        if missing := {"loop", "role_break"} - guard.keys():
            raise ValueError(f"no count of {min(missing)}")
        return guard


def _metrics(path: Path) -> Mapping[str, Any] | None:
    try:
        return _Metrics.model_validate_json(path.read_bytes()).model_dump()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: can't be read: {error.strerror or error}") from error
    except ValidationError as error:
        mistake = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, mistake["loc"]))[:80]
        remedy = f"write it again with `python -m harness report --metrics {path.parent}`"
        raise StorageError(f"{path}: {where or 'file'}: {mistake['msg']}; {remedy}") from error


def _add(report: Report, session: SessionRecord, inline: bool) -> None:
    report.sessions += 1
    report.turns += len(session.turns)
    report.generated += sum(turn.completion_tokens for turn in session.turns)
    report.endings[str(session.stop_reason)] += 1
    for turn in session.turns:
        if turn.max_model_len:
            free = turn.max_model_len - turn.prompt_tokens - turn.max_new_tokens
            if report.tightest is None or free < report.tightest[0]:
                report.tightest = (free, turn.max_model_len)
    row = _row(session, inline)
    if len(report.rows) < MOST_ROWS:
        report.rows.append(row)
    if inline:
        report.shown.append(Shown(row, _with_events(session.turns, session.events), session.metrics, session.seed))


def _row(session: SessionRecord, inline: bool) -> Row:
    turns = session.turns
    found = {(event.kind, event.turn) for event in session.events if event.kind in FINDINGS}
    counts = Counter(kind for kind, _ in found)
    return Row(
        session_id=session.session_id,
        persona_id=session.persona_id,
        number=None if session.course is None else session.number,
        stop_reason=str(session.stop_reason),
        exchanges=sum(turn.speaker is Speaker.THERAPIST for turn in turns),
        generated=sum(turn.completion_tokens for turn in turns),
        longest_prompt=max((turn.prompt_tokens for turn in turns), default=0),
        fullest=max((fullness(turn) for turn in turns if turn.max_model_len), default=None),
        window=tuple(fullness(turn) for turn in turns if turn.speaker is Speaker.THERAPIST and turn.max_model_len),
        compactions=sum(event.kind == "compaction" for event in session.events),
        findings={kind: counts[kind] for kind in FINDINGS if counts[kind]},
        inline=inline,
    )


def _with_events(turns: Sequence[Turn], events: Sequence[Event]) -> tuple[Said, ...]:
    by_turn: dict[int, list[Event]] = {}
    for event in events:
        by_turn.setdefault(event.turn, []).append(event)
    return tuple(Said(turn, tuple(by_turn.get(turn.index, ()))) for turn in turns)
