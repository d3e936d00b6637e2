"""Journals sessions: their start, turns, events, usage and end."""

from collections.abc import Mapping
from typing import Any

from harness.store.journal import Journal
from harness.store.lines import event_fields, spec_fields, turn_fields
from harness.store.records import SESSION_ID
from harness.store.sampled import sampled_fields
from harness.types import (
    Event,
    Failure,
    Purpose,
    RequestUsage,
    Sampled,
    SessionResult,
    SessionSpec,
    StopReason,
    Turn,
    View,
)

SESSION_EVENTS = frozenset(
    {
        *("session_started", "turn", "stopped", "failed", "retry_failed", "resumed"),
        *("handed_out", "shard_opened", "shard_closed", "usage"),
    }
)
"""Names of the journal's own events; any other name is the kind of an `Event`."""


class SessionLog:
    """Writes sessions to a journal. Its methods queue lines, and raise `StorageError` after a failed write."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def start_session(self, spec: SessionSpec, **fields: Any) -> None:
        """Journal the start of a session, once. `fields` hold what is needed to rebuild its prompts."""
        if not SESSION_ID.fullmatch(spec.session_id):
            raise ValueError(f"session id {spec.session_id!r} can't be a file name")
        who = spec_fields(spec)
        self.journal.append("session_started", who.pop("session_id"), **who, index=spec.index, **fields)

    def record_turn(
        self,
        session_id: str,
        turn: Turn,
        view: View | None,
        stop: StopReason | None = None,
        draft: int | str = 0,
        sampled: Sampled | None = None,
    ) -> None:
        """Journal a complete turn: its view (None if there is none), the stop reason if it ends the session, the draft that
        it is, and how it was sampled.

        The turn confirms the events before it, so record the events of a turn, including the guard's findings, first.
        """
        kept = sampled_fields(sampled) if sampled else {}
        self.journal.append("turn", session_id, turn=turn_fields(turn), view=view, stop=stop, draft=draft, **kept)

    def record_event(self, session_id: str, event: Event) -> None:
        """Journal an event of a session."""
        if event.kind in SESSION_EVENTS:
            raise ValueError(f"`{event.kind}` is an event of the journal itself")
        fields = event_fields(event)
        self.journal.append(fields.pop("kind"), session_id, **fields)

    def record_usage(self, session_id: str, usage: Mapping[Purpose, RequestUsage]) -> None:
        """Journal the cost of a session's requests since the last call; nothing if there were none."""
        if usage:
            spent = {str(purpose): cost.fields() for purpose, cost in usage.items()}
            self.journal.append("usage", session_id, usage=spent)

    def finish_session(self, result: SessionResult, metrics: Mapping[str, Any]) -> None:
        """Journal the end of a session.

        Its turns and events must be those journalled, in that order, since a resumed run derives its line from the journal.
        """
        self.journal.append("stopped", result.spec.session_id, stop_reason=result.stop_reason, metrics=metrics)

    def fail_session(self, failure: Failure) -> None:
        """Journal that a session failed."""
        self.journal.append(
            "failed", failure.spec.session_id, error=failure.error, message=failure.message, where=failure.where
        )
