"""The relay loop of one session. It knows nothing of files, GPUs or Hydra.

Invariants:
- The patient opens and turns alternate: turn `i` is the patient's where `i` is even.
- A turn is recorded once, when it is whole, and after the events that belong to it.
- An error leaves the loop as an exception; it is never dialogue.
- A turn says something. An answer without a word, or of reasoning alone, is asked for again and then an error.
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
"""Most empty drafts of a turn. Where a fifth of all answers are empty, one turn in 400,000 fails."""
THOUGHT_DRAFTS = 3
"""Most drafts of reasoning without an answer; another seed seldom helps there."""
SPEAK = "(Say something, however short.)"
ANSWER = "(Do not think it over. Give your answer itself, at once.)"

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
    """What the journal holds of its beginning; None where that is not journalled yet."""
    before: Handover | None = None
    """What earlier sessions of its course left to it."""
    rest: tuple[SessionSpec, ...] = ()
    """The sessions of its course that come after it."""
    meter: Meter = field(default_factory=Meter)
    """Counts its requests."""

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
        on_turn(session.spec, replace(said, usage=session.meter.take(said.turn)))
    return session.result()


async def _guarded(agent: Agent, guard: Guard, session: Session) -> Utterance | StopReason:
    """One turn as the guard lets it pass: drafted once more where it asks for that; then the better draft is taken."""
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
    """A draft that says something, or why there is none. Raises `EngineError` where none does."""
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
    """What is recorded of a draft that said nothing."""
    said = "held no word" if turn.reasoning is None else "was reasoning alone"
    data = {"by": "session", "of": "turn", "reason": f"the answer {said}", "completion_tokens": turn.completion_tokens}
    return Event("retry", turn.index, turn.speaker, data | ({"reasoning": turn.reasoning} if turn.reasoning else {}))


def _why_silent(turn: Turn, session: Session, drafts: int) -> str:
    what = "held no word" if turn.reasoning is None else "were reasoning alone"
    cut = turn.finish_reason is FinishReason.LENGTH
    remedy = f"; raise {turn.speaker}.max_new_tokens ({turn.max_new_tokens})" if cut else ""
    if turn.reasoning is not None:
        remedy += (" or" if remedy else ";") + " turn the model's reasoning off (model.template_args)"
    return f"{session.spec.session_id}: {drafts} answers of the {turn.speaker} for turn {turn.index} {what}{remedy}"
