"""The turn loop of one session. It is independent of files, GPUs and Hydra.

Invariants:
- The patient opens and turns alternate: turn `i` is the patient's where `i` is even.
- A turn is recorded once, when it is complete, after its events.
- An error leaves the loop as an exception; it is never dialogue.
- A turn has visible text. After an answer that is empty or has only reasoning, the turn is requested again; several of
  them are an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.agents.base import AGAIN, Agent, Utterance, optional
from harness.context.meter import Meter
from harness.errors import EngineError, HarnessError
from harness.guard import Action, Guard
from harness.text.words import says_nothing
from harness.types import Event, FinishReason, Handover, SessionResult, SessionSpec, Speaker, StopReason, Turn, View

SILENT_DRAFTS = 8
"""Maximum number of empty drafts of a turn. If a fifth of all answers are empty, one turn in 400,000 fails."""
THOUGHT_DRAFTS = 3
"""Maximum number of drafts with reasoning but no answer, for which another seed seldom helps."""
SPEAK = "(Say something, however short.)"
ANSWER = "(Do not think it over. Give your answer itself, at once.)"

OnTurn = Callable[[SessionSpec, Utterance], None]
"""Called with every complete turn. Its events come before it."""


@dataclass(slots=True)
class Session:
    """The state of a session: its turns and events so far, those before a resume included."""

    spec: SessionSpec
    turns: list[Turn] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    views: dict[Speaker, View] = field(default_factory=dict)
    """The view of each speaker's last turn."""
    stop: StopReason | None = None
    """Set before the loop only if the session was resumed after its last turn."""
    started: Mapping[str, Any] | None = None
    """The journal's fields for the start of the session; None if not journalled yet."""
    before: Handover | None = None
    """The handover from the session before it in its course."""
    rest: tuple[SessionSpec, ...] = ()
    """The later sessions of its course."""
    meter: Meter = field(default_factory=Meter)
    """Counts the session's requests."""

    def speaker(self) -> Speaker:
        """The speaker of the next turn."""
        return Speaker.PATIENT if len(self.turns) % 2 == 0 else Speaker.THERAPIST

    def bound(self, exchanges: int) -> int:
        """Maximum number of exchanges of the session, given that of the run; a branch may have its own."""
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
    """Play turns until an agent or the guard ends it, or up to `max_exchanges`. Raises what an agent raises."""
    for turn in session.turns:
        guard.observe(turn)
    while session.stop is None and len(session.turns) < 2 * max_exchanges:
        utterance = await _guarded(agents[session.speaker()], guard, session)
        if isinstance(utterance, StopReason):
            session.stop = utterance
            break
        session.events += utterance.events
        session.turns.append(utterance.turn)
        session.views[utterance.turn.speaker] = utterance.view
        agents[utterance.turn.speaker].taken(utterance)
        session.stop = utterance.stop
        on_turn(session.spec, replace(utterance, usage=session.meter.take(utterance.turn)))
    return session.result()


async def _guarded(agent: Agent, guard: Guard, session: Session) -> Utterance | StopReason:
    """One turn after the guard: if the guard asks for a second draft, the better of the two."""
    said = await _first_draft(agent, guard.direction(session.speaker()), session)
    if isinstance(said, StopReason):
        return said
    draft = guard.judge(said.turn)
    again: tuple[Event, ...] = ()
    if draft.action is Action.RETRY and agent.redrafts:
        data: dict[str, Any] = {"by": "guard", "because": ", ".join(event.kind for event in draft.events)}
        second = await optional(agent.speak(session.turns, nudge=draft.nudge, attempt=1))
        if isinstance(second, StopReason):
            return second
        if isinstance(second, HarnessError):
            again = (Event("retry", said.turn.index, said.turn.speaker, {**data, "failed": str(second)}),)
        else:
            worse = says_nothing(second.turn.text) or guard.judge(second.turn).worse_than(draft)
            kept, left = (said, second) if worse else (second, said)
            data["draft"] = left.turn.text
            again = (Event("retry", said.turn.index, said.turn.speaker, data), *left.events)
            said = kept
    verdict = guard.observe(said.turn)
    stop = said.stop or (verdict.stop_reason if verdict.action is Action.STOP else None)
    if not again and not verdict.events and stop is said.stop:
        return said
    return replace(said, events=(*again, *said.events, *verdict.events), stop=stop)


async def _first_draft(agent: Agent, nudge: str | None, session: Session) -> Utterance | StopReason:
    """The first draft with visible text, or a stop reason. Raises `EngineError` after too many empty drafts."""
    events: tuple[Event, ...] = ()
    draft = 0
    while True:
        said = await agent.speak(session.turns, nudge=nudge, attempt=AGAIN + draft - 1 if draft else 0)
        if isinstance(said, StopReason):
            return said
        if not says_nothing(said.turn.text):
            return replace(said, events=(*events, *said.events)) if events else said
        thought = said.turn.reasoning is not None
        draft += 1
        if not agent.redrafts or draft >= (THOUGHT_DRAFTS if thought else SILENT_DRAFTS):
            raise EngineError(_why_silent(said.turn, session, draft))
        events += (*said.events, _silent(said.turn))
        nudge = ANSWER if thought else SPEAK


def _silent(turn: Turn) -> Event:
    """The event for a draft without visible text."""
    fault = "contained no visible text" if turn.reasoning is None else "contained only reasoning"
    data = {"by": "session", "of": "turn", "reason": f"the answer {fault}", "completion_tokens": turn.completion_tokens}
    return Event("retry", turn.index, turn.speaker, data | ({"reasoning": turn.reasoning} if turn.reasoning else {}))


def _why_silent(turn: Turn, session: Session, drafts: int) -> str:
    fault = "contained no visible text" if turn.reasoning is None else "contained only reasoning"
    cut = turn.finish_reason is FinishReason.LENGTH
    remedy = f"; raise {turn.speaker}.max_new_tokens ({turn.max_new_tokens})" if cut else ""
    if turn.reasoning is not None:
        remedy += (" or" if remedy else ";") + " turn the model's reasoning off (model.template_args)"
    return f"{session.spec.session_id}: {drafts} answers of the {turn.speaker} for turn {turn.index} {fault}{remedy}"
