"""Who is told what happens in sessions, as it happens: the log of a run, the reporter, a replica's counter."""

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
    """Told of turns and ends; it can't change them."""

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        """A turn is whole; its events belong to it and stand before it."""
        ...

    def finished(self, result: SessionResult) -> None: ...

    def failed(self, failure: Failure) -> None: ...


class Log(Protocol):
    """Where sessions are kept. Its methods raise `StorageError` once something could not be written."""

    def start_session(self, spec: SessionSpec, **fields: Any) -> None:
        """A session starts; `fields` hold what is needed to rebuild its prompts. Once per session."""
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
        """A whole turn, after the events that belong to it."""
        ...

    def record_event(self, session_id: str, event: Event) -> None:
        """Something that happened besides turns."""
        ...

    def record_usage(self, session_id: str, usage: Mapping[Purpose, RequestUsage]) -> None:
        """What its requests cost since the last time."""
        ...

    def finish_session(self, result: SessionResult, metrics: Mapping[str, Any]) -> None: ...

    def fail_session(self, failure: Failure) -> None: ...
