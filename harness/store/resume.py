"""Reads the progress of every session of a run from its journal, for resuming and for the derived files.

Invariants:
- The journal is authoritative: sessions.jsonl and failures.jsonl are functions of it and can be written again any time.
- A session's events count once the next `turn` or its `stopped` follows them; those of an unfinished turn are dropped
  when the run is resumed, since that turn is made again.
- Turn indices of a session are 0, 1, 2, ... without gaps; anything else is damage and is refused.
- Only the ids of finished sessions stay in memory.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from harness.errors import StorageError
from harness.sessions.loop import Session
from harness.store.journal import read_journal
from harness.store.records import TURN, USAGE, VIEW, Totals, add_usage, parse, unflatten
from harness.types import (
    HANDOVER,
    Event,
    Failure,
    RequestUsage,
    SessionResult,
    SessionSpec,
    Speaker,
    StopReason,
    Turn,
    View,
)

_SPEC, _EVENT = TypeAdapter(SessionSpec), TypeAdapter(Event)
_REASON, _FAILURE = TypeAdapter(StopReason), TypeAdapter(Failure)


class _Constant(BaseModel):
    """The constant part of a speaker's prompts in a session."""

    model_config = ConfigDict(frozen=True, extra="allow")
    system: str | None = None
    opening: str | None = None


class _Handed(BaseModel):
    """The fields of a `handover`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    note: str
    state: dict[str, Any] | None = None


_CONSTANT, _HANDED, _SEED = TypeAdapter(_Constant), TypeAdapter(_Handed), TypeAdapter(int)


class SessionState(StrEnum):
    """The state of a session. A session that isn't in the journal has not started."""

    IN_PROGRESS = "in_progress"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(slots=True)
class SessionProgress:
    """A session that has started and not finished."""

    spec: SessionSpec
    started: Mapping[str, Any]
    """The `session_started` event."""
    turns: list[Turn] = field(default_factory=list)
    views: dict[Speaker, View] = field(default_factory=dict)
    """The view of each speaker's last turn."""
    events: list[Event] = field(default_factory=list)
    stop: StopReason | None = None
    """Set if the last turn ends the session, and the process ended before the session's end was journalled."""
    failure: Failure | None = None
    pending: list[Event] = field(default_factory=list)
    """Events that no turn has followed yet."""

    def resumed(self, session: Session) -> Session:
        """A planned session, continued from its last complete turn."""
        return replace(
            session, turns=self.turns, events=self.events, views=self.views, stop=self.stop, started=self.started
        )

    @property
    def patient_state(self) -> Mapping[str, Any] | None:
        """The patient's last recorded inner state."""
        states = (turn.patient_state for turn in reversed(self.turns) if turn.patient_state is not None)
        return next(states, None)


@dataclass(slots=True)
class Progress:
    """The progress of a run."""

    in_progress: dict[str, SessionProgress] = field(default_factory=dict)
    """Sessions to continue from their last complete turn, by id, in order of starting."""
    failed: dict[str, SessionProgress] = field(default_factory=dict)
    """Failed sessions by id, in order of failing."""
    finished: set[str] = field(default_factory=set)
    handovers: dict[str, Event] = field(default_factory=dict)
    """The handover of the last finished session of each course, by course id."""
    turns: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usage: dict[str, RequestUsage] = field(default_factory=dict)
    """The cost of all answered requests, by purpose."""

    def state(self, session_id: str) -> SessionState | None:
        """The state of a session; None if it has not started."""
        if session_id in self.finished:
            return SessionState.FINISHED
        if session_id in self.failed:
            return SessionState.FAILED
        return SessionState.IN_PROGRESS if session_id in self.in_progress else None

    def resume(self, retried: Iterable[str] = ()) -> None:
        """Drop the events of unfinished turns, and set the failed sessions `retried` in progress again."""
        for session_id in retried:
            session = self.failed.pop(session_id)
            session.failure = None
            self.in_progress[session_id] = session
        for session in self.in_progress.values():
            session.pending.clear()

    def totals(self, sessions: int) -> Totals:
        """The counts of run.json; `sessions` is the size of the plan."""
        return Totals(
            sessions=sessions,
            finished=len(self.finished),
            failed=len(self.failed),
            turns=self.turns,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
            usage=self.usage,
        )


OnFinished = Callable[[SessionResult, Mapping[str, Any]], None]
"""Called with each finished session and its metrics, in order of finishing."""


def load_progress(
    folder: Path, on_finished: OnFinished | None = None, *, only: Collection[str] | None = None
) -> Progress:
    """Read the journal of a run folder, all of it or of its sessions `only`.

    Raises `StorageError`, which names the line, if the journal is damaged or inconsistent.
    """
    fold = Fold(on_finished)
    for place, record in read_journal(folder, only):
        fold.take(record, place)
    return fold.progress


class Fold:
    """Takes the events of a journal one by one.

    An event that contradicts those before it raises `StorageError` and changes nothing.
    """

    def __init__(self, on_finished: OnFinished | None) -> None:
        self.progress = Progress()
        self._on_finished = on_finished

    def take(self, record: Mapping[str, Any], place: str) -> None:
        session_id = record.get("session_id")
        match record["event"]:
            case "resumed":
                self.progress.resume()
            case "handed_out" if isinstance(session_id, str) and session_id in self.progress.in_progress:
                self.progress.in_progress[session_id].pending.clear()
            case "session_started":
                self._start(record, place)
            case "retry_failed":
                session = self._known(self.progress.failed, session_id, record, place)
                self.progress.resume([session.spec.session_id])
            case "turn":
                self._turn(self._known(self.progress.in_progress, session_id, record, place), record, place)
            case "usage":
                spent: dict[str, RequestUsage] = parse(USAGE, record.get("usage"), place)
                add_usage(self.progress.usage, spent)
            case "stopped":
                self._stop(self._known(self.progress.in_progress, session_id, record, place), record, place)
            case "failed":
                self._fail(self._known(self.progress.in_progress, session_id, record, place), record, place)
            case _ if session_id is not None and "speaker" in record:
                session = self._known(self.progress.in_progress, session_id, record, place)
                session.pending.append(event_of(record, place))

    def _start(self, record: Mapping[str, Any], place: str) -> None:
        spec = spec_of(record, place)
        if self.progress.state(spec.session_id) is not None:
            raise StorageError(f"{place}: session {spec.session_id} starts a second time; the journal is damaged")
        session = SessionProgress(spec, started(record, place))
        if "prefix" in record:  # turns of another session, which cost this run nothing
            session.turns, session.views, session.events = prefix_of(record["prefix"], place)
        self.progress.in_progress[spec.session_id] = session

    def _turn(self, session: SessionProgress, record: Mapping[str, Any], place: str) -> None:
        turn = parse(TURN, record.get("turn"), place)
        if turn.index != len(session.turns):
            message = f"session {session.spec.session_id}: turn {turn.index} found, turn {len(session.turns)} expected"
            raise StorageError(f"{place}: {message}; the journal is damaged")
        view = None if record.get("view") is None else parse(VIEW, record["view"], place)
        stop = None if record.get("stop") is None else parse(_REASON, record["stop"], place)
        session.turns.append(turn)
        if view is not None:
            session.views[turn.speaker] = view
        session.stop = stop
        session.events += session.pending
        session.pending.clear()
        self.progress.turns += 1
        self.progress.prompt_tokens += turn.prompt_tokens
        self.progress.cached_tokens += turn.cached_tokens or 0
        self.progress.completion_tokens += turn.completion_tokens

    def _stop(self, session: SessionProgress, record: Mapping[str, Any], place: str) -> None:
        reason = parse(_REASON, record.get("stop_reason"), place)
        events = (*session.events, *session.pending)
        handed = next((event for event in reversed(events) if event.kind == HANDOVER), None)
        if handed is not None:
            parse(_HANDED, handed.data, place)
        metrics = record.get("metrics")
        del self.progress.in_progress[session.spec.session_id]
        self.progress.finished.add(session.spec.session_id)
        if session.spec.course is not None and handed is not None:
            self.progress.handovers[session.spec.course] = handed
        if self._on_finished is not None:
            result = SessionResult(session.spec, reason, tuple(session.turns), events)
            self._on_finished(result, metrics if isinstance(metrics, Mapping) else {})

    def _fail(self, session: SessionProgress, record: Mapping[str, Any], place: str) -> None:
        said = {name: record.get(name) for name in ("error", "message", "where")}
        session.failure = parse(_FAILURE, {"spec": session.spec, **said, "turns": tuple(session.turns)}, place)
        del self.progress.in_progress[session.spec.session_id]
        self.progress.failed[session.spec.session_id] = session

    @staticmethod
    def _known(
        among: Mapping[str, SessionProgress], session_id: object, record: Mapping[str, Any], place: str
    ) -> SessionProgress:
        session = among.get(session_id) if isinstance(session_id, str) else None
        if session is None:
            message = f"`{record['event']}` of session {session_id}, which has not started or is over"
            raise StorageError(f"{place}: {message}; the journal is damaged")
        return session


def spec_of(record: Mapping[str, Any], place: str) -> SessionSpec:
    """The session of a `session_started` event."""
    fields = {name: record.get(name) for name in ("session_id", "persona_id", "seed", "index")}
    fields |= {name: record[name] for name in ("course", "number", "source", "branch", "meta") if name in record}
    return parse(_SPEC, fields, place)


def prefix_of(prefix: Mapping[str, Any], place: str) -> tuple[list[Turn], dict[Speaker, View], list[Event]]:
    """The turns that a branched session begins with, the view of each speaker's last one, and the events."""
    turns = [parse(TURN, turn, place) for turn in prefix["turns"]]
    views = {Speaker(speaker): parse(VIEW, view, place) for speaker, view in prefix["views"].items()}
    return turns, views, [parse(_EVENT, unflatten(event), place) for event in prefix["events"]]


def started(record: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """A `session_started` event with the validated `system` and `opening` of each speaker's prompts."""
    parse(_SEED, record.get("seed"), place)
    parts = {str(s): record[s] for s in Speaker if record.get(s) is not None}
    return {**record, **{name: parse(_CONSTANT, part, place).model_dump() for name, part in parts.items()}}


def event_of(record: Mapping[str, Any], place: str) -> Event:
    """The `Event` of a journal line, whose key `event` is the kind."""
    flat = {key: value for key, value in record.items() if key not in ("event", "session_id", "time")}
    return parse(_EVENT, unflatten({**flat, "kind": record["event"]}), place)
