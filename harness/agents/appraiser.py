"""Who appraises the therapist's turns for a patient: rules, or the patient's own model.

Invariants:
- There is always an appraisal. Where the model gives none, the rules do, and an event says why.
- The same turns under the same seed are asked about in the same way, so a resumed patient feels the same.
"""

from dataclasses import dataclass
from typing import Protocol

from harness.agents.appraisal import APPRAISAL_SCHEMA, Appraisal, appraisal_prompt, appraise, parse_appraisal
from harness.context.ask import NoAnswer, StructuredQuery
from harness.context.send import retry_events
from harness.types import Event, SessionSpec, Speaker, Turn, derive_seed

ANSWER_TOKENS = 96
"""Six grades as JSON take 40 to 60 tokens."""


class Appraiser(Protocol):
    """What a patient asks after every therapist turn."""

    async def appraise(self, heard: Turn, turn: Turn) -> tuple[Appraisal, tuple[Event, ...]]:
        """How the therapist's `turn` came across, which answers the patient turn `heard`; and what is to be recorded."""
        ...


class RuleAppraiser:
    """By rules: free, deterministic, nothing to record."""

    async def appraise(self, heard: Turn, turn: Turn) -> tuple[Appraisal, tuple[Event, ...]]:
        return appraise(turn.text, heard.text), ()


@dataclass(frozen=True, slots=True)
class ModelAppraiser:
    """By the patient's own model, as `APPRAISAL_SCHEMA` has it."""

    query: StructuredQuery
    name: str
    """The patient's."""
    spec: SessionSpec

    async def appraise(self, heard: Turn, turn: Turn) -> tuple[Appraisal, tuple[Event, ...]]:
        """Raises `EngineUnavailable`; any other failure leaves it to the rules."""
        index = turn.index + 1
        try:
            answer = await self.query.ask(
                lambda texts: appraisal_prompt(self.name, texts["heard"], texts["text"]),
                {"heard": heard.text, "text": turn.text},
                APPRAISAL_SCHEMA,
                seed=derive_seed(self.spec.seed, index, "appraisal"),
                request_id=f"{self.spec.session_id}/{index}/appraisal",
            )
        except NoAnswer as error:
            return self._by_rules(heard, turn, str(error))
        retried = retry_events(answer.retries, index, Speaker.PATIENT, "appraisal")
        graded = parse_appraisal(answer.text)
        if graded is None:
            graded, events = self._by_rules(heard, turn, f"not the grades asked for: {answer.text[:80]!r}")
            return graded, (*retried, *events)
        cost = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}
        return graded, (*retried, Event("appraisal", index, Speaker.PATIENT, {"by": "model", **cost}))

    @staticmethod
    def _by_rules(heard: Turn, turn: Turn, reason: str) -> tuple[Appraisal, tuple[Event, ...]]:
        event = Event("appraisal", turn.index + 1, Speaker.PATIENT, {"by": "rules", "reason": reason})
        return appraise(turn.text, heard.text), (event,)
