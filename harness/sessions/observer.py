"""Interfaces for what happens in sessions: a log that keeps it, and observers such as the terminal reporter."""

from collections.abc import Mapping
from typing import Any, Protocol

from harness.agents.base import Utterance
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


class Observer(Protocol):
    """Is notified of turns and of the end of sessions; it can't change them."""

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        """A turn is complete. Its events come before it."""
        ...

    def finished(self, result: SessionResult) -> None: ...

    def failed(self, failure: Failure) -> None: ...


class Log(Protocol):
    """Stores sessions. Its methods raise `StorageError` after something could not be written."""

    def start_session(self, spec: SessionSpec, **fields: Any) -> None:
        """A session starts. `fields` are needed to rebuild its prompts. Called once per session."""
        ...

    def record_turn(
        self,
        session_id: str,
        turn: Turn,
        view: View | None,
        stop: StopReason | None = None,
        draft: int | str = 0,
        sampled: Sampled | None = None,
    ) -> None:
        """A complete turn, after its events."""
        ...

    def record_event(self, session_id: str, event: Event) -> None:
        """An event of the session."""
        ...

    def record_usage(self, session_id: str, usage: Mapping[Purpose, RequestUsage]) -> None:
        """Tokens of the session's requests since the last call, by purpose."""
        ...

    def finish_session(self, result: SessionResult, metrics: Mapping[str, Any]) -> None: ...

    def fail_session(self, failure: Failure) -> None: ...
