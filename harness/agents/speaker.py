"""How an answer of a model becomes a turn; shared by both speakers."""

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
"""No second draft is made hotter than this: many servers take no more."""
AVOID_SAID = 1.2
"""Least repetition penalty of a second draft. It counts the prompt's tokens, so it also works against a loop that the view
is full of: there a small model repeated itself in 16 of 16 second drafts under a direction and a temperature of 0.5 or
0.8, in 11 with a penalty of 1.1 at 0.5, and in none with 1.2."""
_ENDS = {Speaker.PATIENT: StopReason.PATIENT_ENDED, Speaker.THERAPIST: StopReason.THERAPIST_ENDED}


class ModelSpeaker:
    """One speaker of one session: asks its context manager and makes turns of the answers."""

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
        """The next turn, under the directions that are not None; or why the session ends, where the speaker ended it and said
        nothing else. Raises what the context manager raises.

        Each `draft` of a turn is sampled with a seed of its own: 0 is the first one, then a number or a name. A second
        draft is drawn more freely and away from what was said, since what was likeliest was not what was wanted.
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
        """Go on from the view of the draft that became the turn; a resumed session knows of no other."""
        self._context.settle(said.view)


def turn_seed(session_seed: int, index: int, draft: int | str) -> int:
    """The seed of one draft of a turn; 0 is the first draft."""
    return derive_seed(session_seed, index, draft)


def turn_sampling(sampling: Sampling, draft: int | str) -> Sampling:
    """How one draft of a turn is drawn, by a speaker with this sampling. One after a draft that said nothing is drawn as the
    first: nothing was said that it should keep away from."""
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
    """The text before the marker that ends a session, and whether the marker was there."""
    before, marker, _ = text.partition(END)
    return before.strip(), bool(marker)
