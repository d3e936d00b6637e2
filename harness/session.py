"""The relay loop of one session. It knows nothing of files, GPUs or Hydra.

Invariants:
- The patient opens and turns alternate: turn `i` is the patient's where `i` is even.
- A turn is recorded once, when it is whole, and never changed.
- An error leaves the loop as an exception; it is never dialogue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.types import Event, SessionResult, SessionSpec, Speaker, StopReason, Turn, View


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a speaker gave for its turn."""

    turn: Turn
    view: View
    """The view that the turn was made with."""
    events: tuple[Event, ...] = ()
    stop: StopReason | None = None
    """Why the session ends with this turn, where it does."""


class Agent(Protocol):
    """One speaker of one session."""

    async def speak(self, history: Sequence[Turn]) -> Utterance | StopReason:
        """The next turn after `history`, or why there is none. Raises a `HarnessError`."""
        ...


class Recorder(Protocol):
    """Who is told of everything as it happens: the journal, the progress display."""

    def turn(self, spec: SessionSpec, turn: Turn, view: View) -> None: ...

    def event(self, spec: SessionSpec, event: Event) -> None: ...


@dataclass(slots=True)
class Session:
    """A session under way: its turns and events so far, resumed ones included."""

    spec: SessionSpec
    turns: list[Turn]
    events: list[Event]
    stop: StopReason | None = None
    """Known before the loop only where the session was resumed after its last turn."""

    def speaker(self) -> Speaker:
        """Whose turn is next."""
        return Speaker.PATIENT if len(self.turns) % 2 == 0 else Speaker.THERAPIST


async def run_session(
    session: Session, agents: Mapping[Speaker, Agent], max_exchanges: int, recorder: Recorder
) -> SessionResult:
    """Relay turns until someone stops or `max_exchanges` are done. Raises what an agent raises."""
    while session.stop is None and len(session.turns) < 2 * max_exchanges:
        said = await agents[session.speaker()].speak(session.turns)
        if isinstance(said, StopReason):
            session.stop = said
            break
        for event in said.events:
            session.events.append(event)
            recorder.event(session.spec, event)
        session.turns.append(said.turn)
        recorder.turn(session.spec, said.turn, said.view)
        session.stop = said.stop
    reason = session.stop or StopReason.MAX_EXCHANGES
    return SessionResult(session.spec, reason, tuple(session.turns), tuple(session.events))
