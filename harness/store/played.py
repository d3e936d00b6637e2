"""Reads complete sessions from the journal: turns with their views, drafts and samples.

Invariants:
- Only sessions that have not ended are in memory, so a run of any size can be read.
- An event counts once the next turn or the end of its session follows it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.store.journal import read_journal
from harness.store.records import TURN, VIEW, parse
from harness.store.resume import event_of, prefix_of, spec_of, started
from harness.store.sampled import sampled_of
from harness.types import Event, Sampled, SessionSpec, StopReason, Turn, View

_REASON = TypeAdapter(StopReason)


@dataclass(slots=True)
class Played:
    """The journalled data of one session."""

    spec: SessionSpec
    started: Mapping[str, Any]
    """The `session_started` event."""
    turns: list[Turn] = field(default_factory=list)
    views: list[View | None] = field(default_factory=list)
    """The view of each turn; None for a recorded line, and for a turn of the session that it branched from."""
    drafts: list[int | str] = field(default_factory=list)
    """The draft that each turn is."""
    sampled: list[Sampled | None] = field(default_factory=list)
    """How each turn was sampled; None if that is not known."""
    events: list[Event] = field(default_factory=list)
    stop_reason: StopReason | None = None
    """None for a session that failed or has not ended."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    pending: list[Event] = field(default_factory=list)
    """Events that no turn confirms yet."""

    @property
    def prefix(self) -> int:
        """Number of turns from the session that it branched from."""
        return self.spec.branch.turn if self.spec.branch else 0


def read_played(folder: Path, only: Collection[str] | None = None, *, finished: bool = True) -> Iterator[Played]:
    """The sessions of a run, or those of `only`, each when its end is read; without `finished`, then also all others.

    Raises `StorageError`, which names the line, if the journal is damaged.
    """
    under_way: dict[str, Played] = {}
    for place, record in read_journal(folder, only):
        session_id = record.get("session_id")
        if record["event"] == "resumed":
            for session in under_way.values():
                session.pending.clear()
        elif record["event"] == "session_started":
            under_way[str(session_id)] = _started(record, place)
        elif session_id in under_way and _take(under_way[session_id], record, place):
            yield under_way.pop(session_id)
    if not finished:
        yield from under_way.values()


def _started(record: Mapping[str, Any], place: str) -> Played:
    session = Played(spec_of(record, place), started(record, place))
    if "prefix" in record:
        session.turns, _, session.events = prefix_of(record["prefix"], place)
        before = len(session.turns)
        session.views, session.drafts, session.sampled = [None] * before, [0] * before, [None] * before
    return session


def _take(session: Played, record: Mapping[str, Any], place: str) -> bool:
    """Add one event; returns whether it ends the session."""
    match record["event"]:
        case "turn":
            view = record.get("view")
            session.turns.append(parse(TURN, record.get("turn"), place))
            session.views.append(None if view is None else parse(VIEW, view, place))
            session.drafts.append(record.get("draft", 0))
            session.sampled.append(sampled_of(record, place))
            _confirm(session)
        case "stopped":
            session.stop_reason = parse(_REASON, record.get("stop_reason"), place)
            session.metrics = record.get("metrics") or {}
            _confirm(session)
            return True
        case "handed_out":
            session.pending.clear()
        case "failed" | "retry_failed" | "usage":
            pass
        case _ if "speaker" in record:
            session.pending.append(event_of(record, place))
    return False


def _confirm(session: Played) -> None:
    session.events += session.pending
    session.pending.clear()
