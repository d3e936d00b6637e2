"""The patient: a persona played by a model, or a replay of recorded lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.agents import directions, inner_state
from harness.agents.appraiser import Appraiser
from harness.agents.base import Utterance, optional
from harness.agents.inner_state import InnerState
from harness.agents.profile import Shape, whole_sentences
from harness.agents.self_check import Objection, SelfCheck
from harness.agents.speaker import ModelSpeaker
from harness.errors import HarnessError
from harness.personas.schema import Persona
from harness.text.words import says_nothing
from harness.types import Event, FinishReason, Speaker, StopReason, Turn, View


@dataclass(frozen=True, slots=True)
class _Felt:
    """The inner state before a turn, and the direction that follows from it."""

    turns: int
    """Turns of the session so far."""
    direction: str | None
    state: InnerState | None
    recorded: dict[str, Any] | None
    """The state as the turn records it."""


class SimulatedPatient:
    """Plays a persona. Its inner state depends only on the history, so a resumed session goes on unchanged."""

    redrafts = True

    def __init__(
        self,
        model_speaker: ModelSpeaker,
        persona: Persona,
        appraiser: Appraiser | None,
        self_check: SelfCheck | None = None,
        start: InnerState | None = None,
        exchanges: int | None = None,
        shapes: Callable[[int, str | None], Shape] | None = None,
    ) -> None:
        """Without an `appraiser` the patient has no inner state; without a `self_check` every draft is taken.

        `start` is the state at the start of the session; None is the persona's own. `exchanges` is the maximum of the
        session, from which the patient knows how much is left; None is unknown. `shapes` draws the length of a turn
        from its index and directed behaviour; None leaves the length to the model.
        """
        self._model_speaker = model_speaker
        self._persona = persona
        self._appraiser = appraiser
        self._self_check = self_check
        self._start = start or inner_state.initial(persona)
        self._exchanges = exchanges
        self._shapes = shapes
        self._felt: _Felt | None = None
        """Shared by all drafts of the turn under way."""
        self._events: list[Event] = []
        """Events since the last utterance. They are kept if a turn is requested again after an engine failure."""

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        felt = await self._feel(history)
        said = await self._say(history, felt, nudge, attempt)
        if isinstance(said, StopReason):
            return said
        self._events += said.events
        if self._self_check is not None and attempt == 0 and not says_nothing(said.turn.text):
            objection, events = await self._self_check.check(history, said.turn, felt.state)
            self._events += events
            if objection is not None:
                checked = await self._rewritten(history, said, felt, objection)
                if isinstance(checked, StopReason):
                    return checked
                said = checked
        every, self._events = self._events, []
        turn = self._with_confirmed_state(said.turn, felt)
        if turn is said.turn and len(every) == len(said.events):
            return said
        return replace(said, turn=turn, events=tuple(every))

    async def _say(
        self, history: Sequence[Turn], felt: _Felt, more: str | None, draft: int | str
    ) -> Utterance | StopReason:
        """A draft of the turn, with the state's direction, the direction `more` and the drawn length."""
        if self._shapes is None:
            return await self._model_speaker.say(
                history, directions=(felt.direction, more), draft=draft, patient_state=felt.recorded
            )
        shape = self._shapes(len(history), felt.state and directions.shown_in(felt.state))
        said = await self._model_speaker.say(
            history,
            directions=(felt.direction, more, shape.direction(self._persona.language)),
            draft=draft,
            patient_state=felt.recorded,
            max_new_tokens=shape.max_new_tokens(self._persona.language),
        )
        if isinstance(said, StopReason) or said.turn.finish_reason is not FinishReason.LENGTH:
            return said
        return replace(said, turn=replace(said.turn, text=whole_sentences(said.turn.text)))

    def _with_confirmed_state(self, turn: Turn, felt: _Felt) -> Turn:
        """The turn with its state corrected: a layer counts as told only if the turn says it."""
        if felt.state is None:
            return turn
        state = directions.confirmed(felt.state, self._persona, turn.text)
        return turn if state is felt.state else replace(turn, patient_state=state.to_dict())

    async def _rewritten(
        self, history: Sequence[Turn], draft: Utterance, felt: _Felt, objection: Objection
    ) -> Utterance | StopReason:
        """A second draft under the objection's direction, or why the session ends; the first draft if there is none."""
        said = await optional(self._say(history, felt, objection.direction, "checked"))
        if isinstance(said, StopReason):
            return said
        if isinstance(said, HarnessError):
            data = {"by": "self_check", "because": objection.form, "failed": str(said)}
            self._events.append(Event("retry", draft.turn.index, Speaker.PATIENT, data))
            return draft
        self._events += said.events
        return draft if says_nothing(said.turn.text) else said

    def taken(self, said: Utterance) -> None:
        self._model_speaker.taken(said)

    async def left_with(self, history: Sequence[Turn]) -> tuple[InnerState | None, tuple[Event, ...]]:
        """The state after the whole of `history`, and the events of its computation. Without an appraiser: no state.

        `history` must not be empty.
        """
        if self._appraiser is None:
            return None, ()
        if history[-1].speaker is Speaker.THERAPIST:
            state = await self._state(history, self._appraiser)
            every, self._events = self._events, []
            return state, tuple(every)
        return self._left_by(history[-1]), ()

    async def _feel(self, history: Sequence[Turn]) -> "_Felt":
        if self._felt is None or self._felt.turns != len(history):
            direction, state = None, None
            if self._appraiser is not None:
                before = await self._state(history, self._appraiser)
                direction, state = directions.direction(before, self._persona, self._left(history))
            self._felt = _Felt(len(history), direction, state, state.to_dict() if state else None)
        return self._felt

    async def _state(self, history: Sequence[Turn], appraiser: Appraiser) -> InnerState:
        """The state before the next turn: that of the last patient turn, updated with the therapist's answer."""
        if len(history) < 2:
            return self._start
        before = self._left_by(history[-2])
        appraisal, events = await appraiser.appraise(history)
        self._events += events
        return inner_state.step(before, appraisal, self._persona, self._left(history))

    def _left(self, history: Sequence[Turn]) -> int | None:
        """Exchanges left after the one that the patient's next turn opens; None if unknown."""
        return None if self._exchanges is None else max(0, self._exchanges - 1 - len(history) // 2)

    def _left_by(self, turn: Turn) -> InnerState:
        """The state after a patient turn."""
        if not turn.patient_state:
            return self._start
        if self._felt is not None and self._felt.state is not None and self._felt.recorded is turn.patient_state:
            return self._felt.state
        return InnerState.from_dict(turn.patient_state)


class ReplayPatient:
    """Speaks a recorded patient's lines, whatever the therapist says."""

    redrafts = False

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        spoken = len(history) // 2
        if spoken >= len(self._lines):
            return StopReason.TRANSCRIPT_EXHAUSTED
        return Utterance(Turn(len(history), Speaker.PATIENT, self._lines[spoken]), View())

    def taken(self, said: Utterance) -> None:
        """There was no other draft."""
