"""Checks a draft of the patient's turn against the persona and the state, before the therapist gets it.

Invariants:
- Rules come first: the patient's model is asked only if they find nothing, and only if the config says so.
- An objection contains a direction for the patient's model; a draft is rewritten once, without another check.
- Role breaks and repetition are found by the guard's own rules.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.agents.contradictions import contradiction
from harness.agents.inner_state import InnerState
from harness.agents.prompt import patient_opening, render
from harness.config.guard import GuardConfig
from harness.context.ask import NoAnswer, StructuredQuery, json_object
from harness.context.send import retry_events
from harness.guard.features import features
from harness.guard.loops import SpeakerHistory
from harness.guard.nudges import nudge
from harness.guard.roles import role_break
from harness.personas.schema import Persona, Resistance, Style
from harness.text.words import plain
from harness.types import Event, SessionSpec, Speaker, Turn, derive_seed

ANSWER_TOKENS = 24
"""The answer, one word in JSON, takes about ten tokens."""
CHECK_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"problem": {"type": "string", "enum": ["none", "helper", "facts", "mood"]}},
    "required": ["problem"],
    "additionalProperties": False,
}
"""JSON schema of the model's answer about a draft."""
HOPEFUL = 0.45
"""With at least this hope, a patient may say that all is well again."""
EAGER = {Style.PLEASING, Resistance.COMPLIANT_WITHOUT_CHANGE}
"""Manners in which a patient claims to be well without being so."""
_RECOVERED = re.compile(
    r"\bi(?:'m| am)? (?:already )?feel(?:ing)? (?:so much|much|a lot|completely|totally|already) (?:better|lighter)\b"
    r"|\b(?:you've|you have|this has|that has|this|that) (?:really )?help(?:s|ed) (?:me )?(?:so much|a lot)\b"
    r"|\bi(?:'m| am) (?:completely|totally|finally) (?:fine|okay|better|cured|healed|at peace)\b"
    r"|\bi feel (?:so |very |really |much more )?(?:hopeful|confident|empowered|relieved|optimistic)\b"
    r"|\bi(?:'m| am) (?:confident|sure) (?:that )?(?:i|it|things|everything)(?:'ll| will| can)\b"
)


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong with a draft."""

    by: str
    """`rules` or `model`."""
    form: str
    """`helper`, `facts`, `mood` or `worn_out`."""
    reason: str
    direction: str
    """What to change, as a direction for the patient's model."""

    def event(self, draft: Turn) -> Event:
        data = {"by": self.by, "form": self.form, "reason": self.reason, "draft": draft.text}
        return Event("self_check", draft.index, draft.speaker, data)


class SelfCheck:
    """Checks the drafts of one session's patient."""

    def __init__(self, persona: Persona, spec: SessionSpec, query: StructuredQuery | None) -> None:
        """With a `query`, the patient's model is asked if the rules find nothing."""
        self._persona = persona
        self._spec = spec
        self._query = query
        self._own = SpeakerHistory(Speaker.PATIENT, GuardConfig())
        self._heard = 0
        """Number of turns of the history already in `_own`."""

    async def check(
        self, history: Sequence[Turn], draft: Turn, state: InnerState | None
    ) -> tuple[Objection | None, tuple[Event, ...]]:
        """The objection to a draft, if any, and the events to record. Raises `EngineUnavailable`."""
        objection = self._by_rules(history, draft, state)
        if objection is not None:
            return objection, (objection.event(draft),)
        if self._query is None:
            return None, ()
        try:
            problem, retried = await self._ask(self._query, history, draft, state)
        except NoAnswer as error:
            data = {"by": "model", "form": "none", "reason": f"no usable answer: {error}", "draft": draft.text}
            return None, (Event("self_check", draft.index, draft.speaker, data),)
        if problem == "none":
            return None, retried
        objection = Objection(
            "model", problem, f"the patient's model chose {problem!r}", self._direction(problem, draft, state)
        )
        return objection, (*retried, objection.event(draft))

    def _by_rules(self, history: Sequence[Turn], draft: Turn, state: InnerState | None) -> Objection | None:
        for turn in history[self._heard :]:
            if turn.speaker is Speaker.PATIENT:
                self._own.add(features(turn.index, turn.text))
        self._heard = len(history)
        if broken := role_break(draft.text, Speaker.PATIENT):
            what = f"{broken.data['form']}: {broken.data['what']}"
            return Objection("rules", "helper", what, self._direction("helper", draft, state))
        if wrong := contradiction(draft.text, self._persona):
            said, known = wrong
            return Objection("rules", "facts", f"{said!r}, but {known}", f"(Do not say {said!r}: {known}.)")
        if state is not None and (rosy := self._too_well(draft.text, state)):
            return Objection("rules", "mood", f"{rosy!r} with {_mood(state)}", self._direction("mood", draft, state))
        cut = features(draft.index, draft.text)
        if worn := [*self._own.loops(cut), *filter(None, [self._own.repeats(cut)])]:
            what = f"{worn[0].kind}: {worn[0].data.get('what', 'said before')}"
            return Objection("rules", "worn_out", what, nudge(worn[0].kind, worn[0].data, draft.speaker, draft.index))
        return None

    def _too_well(self, text: str, state: InnerState) -> str | None:
        """Words of recovery in the text, if the patient can't mean them yet."""
        persona = self._persona
        if EAGER & {persona.style, *persona.resistance}:
            return None
        if state.hope >= HOPEFUL and state.overwhelm < persona.pace.overwhelm_at:
            return None
        return recovery(text)

    def _direction(self, form: str, draft: Turn, state: InnerState | None) -> str:
        who = self._persona.identity
        if form == "helper":
            return nudge("role_break", {}, Speaker.PATIENT, draft.index)
        if form == "facts":
            return f"(Keep to your own life: you are {who.name}, {who.age}, {who.occupation}.)"
        mood = f"You have {_mood(state)}. " if state else ""
        return f"({mood}Say no more than you can mean right now, and let the doubt be heard.)"

    async def _ask(
        self, query: StructuredQuery, history: Sequence[Turn], draft: Turn, state: InnerState | None
    ) -> tuple[str, tuple[Event, ...]]:
        """The problem that the patient's model names, and the events of retries. Raises `NoAnswer`."""
        persona = self._persona
        constant = {
            "who": persona.identity,
            "people": "; ".join(f"{person.name}, {person.relation}" for person in persona.people),
            "mood": _mood(state) if state else "",
        }
        heard = history[-1].text if history else patient_opening(persona)
        answer = await query.ask(
            lambda texts: render("self_check.jinja", (), **constant, **texts),
            {"problem": persona.presenting_problem, "heard": heard, "draft": draft.text},
            CHECK_SCHEMA,
            seed=derive_seed(self._spec.seed, draft.index, "self_check"),
            request_id=f"{self._spec.session_id}/{draft.index}/self_check",
        )
        problem = (json_object(answer.text) or {}).get("problem")
        if problem not in CHECK_SCHEMA["properties"]["problem"]["enum"]:
            raise NoAnswer(repr(answer.text[:80]))
        return str(problem), retry_events(answer.retries, draft.index, draft.speaker, "self_check")


def recovery(text: str) -> str | None:
    """The words in a text that say that all is well again; None if there are none."""
    match = _RECOVERED.search(plain(text))
    return match[0] if match else None


def _mood(state: InnerState) -> str:
    """The state in words, such as `little trust, some hope and much distress`."""
    amount = ("little", "some", "much")
    trust, hope, distress = (
        f"{amount[(value >= 0.35) + (value >= 0.65)]} {name}"
        for name, value in (("trust", state.trust), ("hope", state.hope), ("distress", state.distress))
    )
    return f"{trust}, {hope} and {distress}"
