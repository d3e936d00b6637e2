"""The patient: a persona played by a model, or the recorded lines of one."""

from collections.abc import Sequence
from dataclasses import replace

from harness.agents import directions, inner_state
from harness.agents.appraiser import Appraiser
from harness.agents.inner_state import InnerState
from harness.agents.self_check import SelfCheck
from harness.agents.speech import Voice
from harness.personas.schema import Persona
from harness.session import Utterance
from harness.types import Event, Speaker, StopReason, Turn, View


class SimulatedPatient:
    """Plays a persona. Its inner state is a function of the history alone, so a resumed patient goes on unchanged."""

    redrafts = True

    def __init__(
        self, voice: Voice, persona: Persona, appraiser: Appraiser | None, self_check: SelfCheck | None = None
    ) -> None:
        """Without an `appraiser` the patient has no inner state; without a `self_check` every draft is taken."""
        self._voice = voice
        self._persona = persona
        self._appraiser = appraiser
        self._self_check = self_check
        self._directed: tuple[int, str | None, InnerState] | None = None
        """How many turns were said, with the direction and the state for the next one: all its drafts share them."""
        self._events: list[Event] = []
        """Since the last utterance: a turn that is asked again after an engine's failure keeps what happened before."""

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        direction, state = None, None
        if self._appraiser is not None:
            direction, state = await self._direction(history, self._appraiser)
        recorded = state.to_dict() if state else None
        said = await self._voice.say(history, directions=(direction, nudge), draft=attempt, patient_state=recorded)
        self._events += said.events
        if self._self_check is not None and attempt == 0:
            objection, events = await self._self_check.check(history, said.turn, state)
            self._events += events
            if objection is not None:
                wanted = (direction, objection.direction)
                said = await self._voice.say(history, directions=wanted, draft="checked", patient_state=recorded)
                self._events += said.events
        every, self._events = self._events, []
        return replace(said, events=tuple(every))

    async def _direction(self, history: Sequence[Turn], appraiser: Appraiser) -> tuple[str | None, InnerState]:
        """The direction for the next turn, if any, and the state as that turn leaves it."""
        if self._directed is None or self._directed[0] != len(history):
            direction, state = directions.direction(await self._state(history, appraiser), self._persona)
            self._directed = len(history), direction, state
        return self._directed[1:]

    async def _state(self, history: Sequence[Turn], appraiser: Appraiser) -> InnerState:
        """The state before the next turn: that of the last patient turn, moved by what the therapist said since."""
        if len(history) < 2:
            return inner_state.initial(self._persona)
        heard, turn = history[-2:]
        last = heard.patient_state
        before = InnerState.from_dict(last) if last else inner_state.initial(self._persona)
        appraisal, events = await appraiser.appraise(heard, turn)
        self._events += events
        return inner_state.step(before, appraisal, self._persona)


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
