"""The therapist: the model under test."""

from collections.abc import Sequence

from harness.agents.base import Utterance
from harness.agents.prompt import plan_direction
from harness.agents.speaker import ModelSpeaker
from harness.types import StopReason, Turn


class Therapist:
    """Answers the patient; with a session plan, it gets a direction at the start of each phase."""

    redrafts = True

    def __init__(self, model_speaker: ModelSpeaker, planned_exchanges: int | None) -> None:
        self._model_speaker = model_speaker
        self._planned_exchanges = planned_exchanges

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        planned = self._planned_exchanges
        phase = plan_direction(len(history) // 2, planned) if planned else None
        return await self._model_speaker.say(history, directions=(phase, nudge), draft=attempt)

    def taken(self, said: Utterance) -> None:
        self._model_speaker.taken(said)
