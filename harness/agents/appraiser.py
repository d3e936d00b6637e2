"""Who appraises the therapist's turns for a patient: rules, or the patient's own model.

Invariants:
- There is always an appraisal. Where the model gives none, the rules do, and an event says why.
- The same turns under the same seed are asked about in the same way, so a resumed patient feels the same.
"""

from collections.abc import Sequence
from typing import Protocol

from harness.agents.appraisal import (
    APPRAISAL_SCHEMA,
    Appraisal,
    Listener,
    appraisal_prompt,
    parse_appraisal,
    safeguarded,
)
from harness.context.ask import NoAnswer, StructuredQuery
from harness.context.send import retry_events
from harness.personas.schema import Persona
from harness.types import Event, SessionSpec, Speaker, Turn, derive_seed

ANSWER_TOKENS = 96
"""Six grades as JSON take 40 to 60 tokens."""


class Appraiser(Protocol):
    """What a patient asks after every therapist turn."""

    async def appraise(self, history: Sequence[Turn]) -> tuple[Appraisal, tuple[Event, ...]]:
        """How the therapist's turn that ends the history came across, after all that was said; and what is to be recorded."""
        ...


class RuleAppraiser:
    """By rules: free, deterministic, nothing to record. It catches up on turns that it has not heard, so a resumed patient
    hears as one that was there all the time."""

    def __init__(self, persona: Persona) -> None:
        self._listener = Listener(persona.language, persona.conceptualization.core_beliefs)
        self._heard = 0
        """Exchanges that the listener knows."""
        self._last = Appraisal()

    async def appraise(self, history: Sequence[Turn]) -> tuple[Appraisal, tuple[Event, ...]]:
        return self.hear(history), ()

    def hear(self, history: Sequence[Turn]) -> Appraisal:
        """The appraisal of the last turn of the history."""
        for place in range(self._heard, len(history) // 2):
            self._last = self._listener.hear(history[2 * place].text, history[2 * place + 1].text)
        self._heard = len(history) // 2
        return self._last


class ModelAppraiser:
    """By the patient's own model, as `APPRAISAL_SCHEMA` has it, under the rules' safeguards."""

    def __init__(self, query: StructuredQuery, persona: Persona, spec: SessionSpec) -> None:
        self._query = query
        self._name = persona.identity.name
        self._spec = spec
        self._rules = RuleAppraiser(persona)

    async def appraise(self, history: Sequence[Turn]) -> tuple[Appraisal, tuple[Event, ...]]:
        """Raises `EngineUnavailable`; any other failure leaves it to the rules."""
        heard, turn = history[-2:]
        index = turn.index + 1
        by_rules = self._rules.hear(history)
        try:
            answer = await self._query.ask(
                lambda texts: appraisal_prompt(self._name, texts["heard"], texts["text"]),
                {"heard": heard.text, "text": turn.text},
                APPRAISAL_SCHEMA,
                seed=derive_seed(self._spec.seed, index, "appraisal"),
                request_id=f"{self._spec.session_id}/{index}/appraisal",
            )
        except NoAnswer as error:
            return by_rules, (self._left_to_rules(index, str(error)),)
        retried = retry_events(answer.retries, index, Speaker.PATIENT, "appraisal")
        graded = parse_appraisal(answer.text)
        if graded is None:
            reason = f"not the grades asked for: {answer.text[:80]!r}"
            return by_rules, (*retried, self._left_to_rules(index, reason))
        cost = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}
        return safeguarded(graded, by_rules), (
            *retried,
            Event("appraisal", index, Speaker.PATIENT, {"by": "model", **cost}),
        )

    @staticmethod
    def _left_to_rules(index: int, reason: str) -> Event:
        return Event("appraisal", index, Speaker.PATIENT, {"by": "rules", "reason": reason})
