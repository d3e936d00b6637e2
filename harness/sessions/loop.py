"""The relay loop of one session. It knows nothing of files, GPUs or Hydra.

Invariants:
- The patient opens and turns alternate: turn `i` is the patient's where `i` is even.
- A turn is recorded once, when it is whole, and after the events that belong to it.
- An error leaves the loop as an exception; it is never dialogue.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.agents.base import Agent, Utterance
from harness.guard import Action, Guard
from harness.types import Event, Handover, SessionResult, SessionSpec, Speaker, StopReason, Turn, View

OnTurn = Callable[[SessionSpec, Utterance], None]
"""Told of every turn when it is whole; its events belong to it and stand before it."""


@dataclass(slots=True)
class Session:
    """A session under way: its turns and events so far, resumed ones included."""

    spec: SessionSpec
    turns: list[Turn] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    views: dict[Speaker, View] = field(default_factory=dict)
    """The view of each speaker's last turn."""
    stop: StopReason | None = None
    """Known before the loop only where the session was resumed after its last turn."""
    started: Mapping[str, Any] | None = None
    """What the journal knows of its beginning; None where it does not know of it yet."""
    before: Handover | None = None
    """What earlier sessions of its course left to it."""
    rest: tuple[SessionSpec, ...] = ()
    """The sessions of its course that come after it."""

    def speaker(self) -> Speaker:
        """Whose turn is next."""
        return Speaker.PATIENT if len(self.turns) % 2 == 0 else Speaker.THERAPIST

    def bound(self, exchanges: int) -> int:
        """How many exchanges it has at most, where the run's sessions have `exchanges`."""
        branch = self.spec.branch
        if branch is None or branch.exchanges is None:
            return exchanges
        return branch.turn // 2 + branch.exchanges

    def result(self) -> SessionResult:
        reason = self.stop or StopReason.MAX_EXCHANGES
        return SessionResult(self.spec, reason, tuple(self.turns), tuple(self.events))


async def run_session(
    session: Session, agents: Mapping[Speaker, Agent], guard: Guard, max_exchanges: int, on_turn: OnTurn
) -> SessionResult:
    """Relay turns until someone stops or `max_exchanges` are done. Raises what an agent raises."""
    for turn in session.turns:
        guard.observe(turn)
    while session.stop is None and len(session.turns) < 2 * max_exchanges:
        said = await _guarded(agents[session.speaker()], guard, session)
        if isinstance(said, StopReason):
            session.stop = said
            break
        session.events += said.events
        session.turns.append(said.turn)
        session.views[said.turn.speaker] = said.view
        agents[said.turn.speaker].taken(said)
        session.stop = said.stop
        on_turn(session.spec, said)
    return session.result()


async def _guarded(agent: Agent, guard: Guard, session: Session) -> Utterance | StopReason:
    """One turn as the guard lets it pass: drafted once more where it asks for that; then the better draft is taken."""
    said = await agent.speak(session.turns, nudge=guard.direction(session.speaker()))
    if isinstance(said, StopReason):
        return said
    draft = guard.judge(said.turn)
    again: tuple[Event, ...] = ()
    if draft.action is Action.RETRY and agent.redrafts:
        second = await agent.speak(session.turns, nudge=draft.nudge, attempt=1)
        if isinstance(second, StopReason):
            return second
        kept, left = (said, second) if guard.judge(second.turn).worse_than(draft) else (second, said)
        data = {"by": "guard", "because": ", ".join(event.kind for event in draft.events), "draft": left.turn.text}
        again = (Event("retry", said.turn.index, said.turn.speaker, data), *left.events)
        said = kept
    verdict = guard.observe(said.turn)
    stop = said.stop or (verdict.stop_reason if verdict.action is Action.STOP else None)
    if not again and not verdict.events and stop is said.stop:
        return said
    return replace(said, events=(*again, *said.events, *verdict.events), stop=stop)
