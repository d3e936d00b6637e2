"""Turns a model's answer into a turn of the session; used by both speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.agents.base import AGAIN, Utterance
from harness.agents.prompt import END
from harness.context.manager import Answer, ContextManager
from harness.text.words import says_nothing
from harness.types import Sampling, Speaker, StopReason, Turn, derive_seed

WARMER = 0.2
"""Added to the temperature of a second draft."""
HOTTEST = 1.0
"""Maximum temperature that this can reach, because many servers accept no more."""
AVOID_SAID = 1.2
"""Least repetition penalty of a second draft. It counts the prompt's tokens, too, so it breaks a loop in the view.

A small model whose view was full of a loop repeated itself in 16 of 16 second drafts with a direction and a temperature
of 0.5 or 0.8, in 11 with a penalty of 1.1 at temperature 0.5, and in none with 1.2.
"""
_ENDS = {Speaker.PATIENT: StopReason.PATIENT_ENDED, Speaker.THERAPIST: StopReason.THERAPIST_ENDED}


class ModelSpeaker:
    """One speaker of one session: gets answers from its context manager and turns them into drafts."""

    def __init__(
        self, speaker: Speaker, context: ContextManager, session_id: str, seed: int, min_exchanges: int
    ) -> None:
        self._speaker = speaker
        self._context = context
        self._session_id = session_id
        self._seed = seed
        self._min_exchanges = min_exchanges

    async def say(
        self,
        history: Sequence[Turn],
        *,
        directions: Sequence[str | None] = (),
        draft: int | str = 0,
        patient_state: Mapping[str, Any] | None = None,
        max_new_tokens: int | None = None,
    ) -> Utterance | StopReason:
        """A draft of the next turn; or the stop reason if the speaker ended the session without other text.

        `directions` may contain None. `draft` is 0 for the first draft of a turn, then a number or a name; each has its
        own seed. A second draft is sampled with a higher temperature and a repetition penalty (`turn_sampling`). Raises
        what the context manager raises.
        """
        index = len(history)
        given = " ".join(direction for direction in directions if direction) or None
        answer = await self._context.answer(
            history,
            seed=turn_seed(self._seed, index, draft),
            request_id=f"{self._session_id}/{index}" + (f".{draft}" if draft else ""),
            direction=given,
            sampling=turn_sampling(self._context.sampling, draft),
            max_new_tokens=max_new_tokens,
        )
        text, marked = without_end(answer.generation.text)
        ends = marked and index >= 2 * self._min_exchanges
        if ends and index > 0 and says_nothing(text):
            return _ENDS[self._speaker]
        turn = _turn(answer, index, self._speaker, text, patient_state)
        stop = _ENDS[self._speaker] if ends else None
        return Utterance(turn, answer.view, answer.events, stop, draft, answer.generation.sampled)

    def taken(self, said: Utterance) -> None:
        """Go on from the view of the draft that became the turn, as a resumed session does."""
        self._context.settle(said.view)


def turn_seed(session_seed: int, index: int, draft: int | str) -> int:
    """The seed of one draft of a turn; draft 0 is the first."""
    return derive_seed(session_seed, index, draft)


def turn_sampling(sampling: Sampling, draft: int | str) -> Sampling:
    """The sampling of one draft of a turn, for a speaker with this `sampling`.

    A draft after an empty one is sampled as the first, because there is nothing that it must not repeat.
    """
    if not draft or (isinstance(draft, int) and draft >= AGAIN):
        return sampling
    own = sampling.temperature
    warmer = None if own is None else max(own, min(HOTTEST, own + WARMER))
    return replace(sampling, temperature=warmer, avoid_said=AVOID_SAID)


def _turn(answer: Answer, index: int, speaker: Speaker, text: str, patient_state: Mapping[str, Any] | None) -> Turn:
    prompt, said = answer.prompt, answer.generation
    return Turn(
        index=index,
        speaker=speaker,
        text=text,
        prompt_tokens=said.prompt_tokens,
        cached_tokens=said.cached_tokens,
        completion_tokens=said.completion_tokens,
        max_new_tokens=prompt.max_new_tokens,
        max_model_len=prompt.max_model_len,
        finish_reason=said.finish_reason,
        latency_s=round(said.latency_s, 4),
        evicted_turns=answer.evicted_turns,
        summary_tokens=answer.summary_tokens,
        patient_state=patient_state,
        reasoning=said.reasoning,
    )


def without_end(text: str) -> tuple[str, bool]:
    """The text before the end marker, and whether the marker was there."""
    before, marker, _ = text.partition(END)
    return before.strip(), bool(marker)
