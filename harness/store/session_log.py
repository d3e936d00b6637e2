"""What is journalled of sessions: that they start, their turns, what happens besides, and how they end."""

from collections.abc import Mapping
from typing import Any

from harness.store.journal import Journal
from harness.store.records import SESSION_ID, event_fields, spec_fields, turn_fields
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
"""Events of the journal itself; any other name is the kind of an `Event`."""


class SessionLog:
    """Writes sessions to a journal. Its methods queue lines and raise `StorageError` once a write has failed."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def start_session(self, spec: SessionSpec, **fields: Any) -> None:
        """Journal that a session starts; `fields` hold what is needed to rebuild its prompts. Once a session."""
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
        """Journal a whole turn: with the view it was made with (None without one), why it ends the session, if so,
        which of its drafts it is, and how it was sampled.

        The turn confirms the events recorded before it: record those of a turn (also what a guard sees in it) first.
        """
        kept = sampled_fields(sampled) if sampled else {}
        self.journal.append("turn", session_id, turn=turn_fields(turn), view=view, stop=stop, draft=draft, **kept)

    def record_event(self, session_id: str, event: Event) -> None:
        """Journal what happened in a session besides turns."""
        if event.kind in SESSION_EVENTS:
            raise ValueError(f"`{event.kind}` is an event of the journal itself")
        fields = event_fields(event)
        self.journal.append(fields.pop("kind"), session_id, **fields)

    def record_usage(self, session_id: str, usage: Mapping[Purpose, RequestUsage]) -> None:
        """Journal what a session's requests cost since the last time; nothing where there were none."""
        if usage:
            spent = {str(purpose): cost.fields() for purpose, cost in usage.items()}
            self.journal.append("usage", session_id, usage=spent)

    def finish_session(self, result: SessionResult, metrics: Mapping[str, Any]) -> None:
        """Journal the end of a session.

        Its turns and events must be those journalled, in that order: a resumed run derives its line from the journal.
        """
        self.journal.append("stopped", result.spec.session_id, stop_reason=result.stop_reason, metrics=metrics)

    def fail_session(self, failure: Failure) -> None:
        """Journal that a session failed."""
        self.journal.append(
            "failed", failure.spec.session_id, error=failure.error, message=failure.message, where=failure.where
        )
