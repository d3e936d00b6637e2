"""Who appraises the therapist's turns for a patient: rules, or the patient's own model.

Invariants:
- There is always an appraisal. If the model gives none, the rules do, and an event records why.
- The same turns and seed give the same requests, so a resumed session goes on unchanged.
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
        """The appraisal of the last turn of `history`, a therapist turn, and the events to record."""
        ...


class RuleAppraiser:
    """By rules: deterministic, without a model call or an event.

    It first appraises earlier turns that it has not seen, so it gives the same result in a resumed session.
    """

    def __init__(self, persona: Persona) -> None:
        self._listener = Listener(persona.language, persona.conceptualization.core_beliefs)
        self._heard = 0
        """Exchanges appraised so far."""
        self._last = Appraisal()

    async def appraise(self, history: Sequence[Turn]) -> tuple[Appraisal, tuple[Event, ...]]:
        return self.hear(history), ()

    def hear(self, history: Sequence[Turn]) -> Appraisal:
        """The appraisal of the last turn of the history."""
        for exchange in range(self._heard, len(history) // 2):
            self._last = self._listener.hear(history[2 * exchange].text, history[2 * exchange + 1].text)
        self._heard = len(history) // 2
        return self._last


class ModelAppraiser:
    """By the patient's own model, which answers in `APPRAISAL_SCHEMA`, limited by the rules (`safeguarded`)."""

    def __init__(self, query: StructuredQuery, persona: Persona, spec: SessionSpec) -> None:
        self._query = query
        self._name = persona.identity.name
        self._spec = spec
        self._rules = RuleAppraiser(persona)

    async def appraise(self, history: Sequence[Turn]) -> tuple[Appraisal, tuple[Event, ...]]:
        """As `Appraiser` says. Raises `EngineUnavailable`; after any other failure the rules appraise."""
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
            return by_rules, (self._by_rules_because(index, str(error)),)
        retried = retry_events(answer.retries, index, Speaker.PATIENT, "appraisal")
        graded = parse_appraisal(answer.text)
        if graded is None:
            reason = f"not the grades asked for: {answer.text[:80]!r}"
            return by_rules, (*retried, self._by_rules_because(index, reason))
        cost = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}
        return safeguarded(graded, by_rules), (
            *retried,
            Event("appraisal", index, Speaker.PATIENT, {"by": "model", **cost}),
        )

    @staticmethod
    def _by_rules_because(index: int, reason: str) -> Event:
        return Event("appraisal", index, Speaker.PATIENT, {"by": "rules", "reason": reason})
