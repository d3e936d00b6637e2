"""The patient: a persona played by a model, or the recorded lines of one."""

from collections.abc import Sequence
from typing import Any

from harness.agents import directions, inner_state
from harness.agents.appraisal import appraise
from harness.agents.inner_state import InnerState
from harness.agents.speech import Voice
from harness.personas.schema import Persona
from harness.session import Utterance
from harness.types import Speaker, StopReason, Turn, View


class SimulatedPatient:
    """Plays a persona. Its inner state is a function of the history alone, so a resumed patient goes on unchanged."""

    redrafts = True

    def __init__(self, voice: Voice, persona: Persona, *, feels: bool) -> None:
        self._voice = voice
        self._persona = persona
        self._feels = feels
        self._directed: tuple[int, str | None, dict[str, Any]] | None = None
        """How many turns were said, with the direction and the state for the next one: all its drafts share them."""

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        if not self._feels:
            return await self._voice.say(history, directions=(nudge,), attempt=attempt)
        if self._directed is None or self._directed[0] != len(history):
            direction, state = directions.direction(self._state(history), self._persona)
            self._directed = (len(history), direction, state.to_dict())
        _, direction, felt = self._directed
        return await self._voice.say(history, directions=(direction, nudge), attempt=attempt, patient_state=felt)

    def _state(self, history: Sequence[Turn]) -> InnerState:
        """The state before the next turn: that of the last patient turn, moved by what the therapist said since."""
        if len(history) < 2:
            return inner_state.initial(self._persona)
        last, heard = history[-2].patient_state, history[-1].text
        before = InnerState.from_dict(last) if last else inner_state.initial(self._persona)
        return inner_state.step(before, appraise(heard, history[-2].text), self._persona)


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
