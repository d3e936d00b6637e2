"""Makes the two agents of a session, from what a run fixes for each speaker.

Invariants:
- A `RoleContext` needs no engine, so prompts are checked before a model loads.
- No state of a session is kept here; all sessions of a run share one `AgentFactory`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.agents.appraiser import ANSWER_TOKENS as APPRAISAL_TOKENS
from harness.agents.appraiser import Appraiser, ModelAppraiser, RuleAppraiser
from harness.agents.base import Agent
from harness.agents.inner_state import InnerState, after_a_break
from harness.agents.languages import heard_by_rules
from harness.agents.patient import ReplayPatient, SimulatedPatient
from harness.agents.profile import Shape, chosen, draw
from harness.agents.prompt import patient_memory, patient_opening, patient_system, therapist_memory, therapist_system
from harness.agents.self_check import ANSWER_TOKENS as CHECK_TOKENS
from harness.agents.self_check import SelfCheck
from harness.agents.speaker import ModelSpeaker
from harness.agents.therapist import Therapist
from harness.config.schema import CourseConfig, PatientConfig, RoleConfig, RunConfig
from harness.context.ask import StructuredQuery
from harness.context.budget import NOTE_SHARE, Window
from harness.context.manager import ContextManager
from harness.context.meter import Meter
from harness.context.policies import Policy, make_policy, policy_type
from harness.context.preamble import Preamble, preflight
from harness.context.render.renderer import Renderer
from harness.context.summary import Summarizer, clip
from harness.context.view import project
from harness.engines.base import Engine
from harness.errors import ConfigError, ContextOverflow
from harness.personas.schema import Persona
from harness.sessions.course import Earlier, HandoverWriter
from harness.sessions.loop import Session
from harness.types import Event, Purpose, Speaker, Turn, View

BRIEF_BELOW = 1536
"""With a window below this many tokens, a patient gets the brief form of its prompt."""
DIRECTION_TOKENS = 112
"""Tokens kept free in every prompt for a direction of about 80 words; at most a sixteenth of the window."""


@dataclass(frozen=True, slots=True)
class RoleContext:
    """What all sessions of a run share for one speaker."""

    speaker: Speaker
    role: RoleConfig
    renderer: Renderer
    window: Window
    """The engine's window, shared by all roles on the engine, so that all know what one learns about it."""

    @property
    def direction_tokens(self) -> int:
        """Tokens kept free in every prompt for the direction of a turn."""
        return min(DIRECTION_TOKENS, self.window.max_model_len // 16)

    def handover_bound(self, course: CourseConfig) -> int:
        """Maximum tokens of a handover note in this speaker's prompts."""
        budget = self.window.prompt_budget(self.role.max_new_tokens)
        return max(0, min(course.note_tokens, int(budget * NOTE_SHARE)))

    def preamble(self, persona: Persona, earlier: Earlier | None = None) -> Preamble:
        """The constant part of this speaker's prompts, with its memory of the `earlier` sessions of the course.

        The therapist's contains nothing of the persona.
        """
        memory = "" if earlier is None else self._memory(persona, earlier)
        if self.speaker is Speaker.THERAPIST:
            return Preamble(self.speaker, _joined(therapist_system(self.role.prompt), memory), None, self.renderer)
        own = chosen(self.role.profile, persona.profile) if isinstance(self.role, PatientConfig) else None
        if own is not None and own != persona.profile:
            persona = persona.model_copy(update={"profile": own})
        brief = self.window.max_model_len < BRIEF_BELOW
        told = 0 if earlier is None else earlier.told
        system = patient_system(persona, self.role.prompt or "patient.jinja", brief=brief, told=told)
        opening = patient_opening(persona, again=earlier is not None)
        return Preamble(self.speaker, _joined(system, memory), opening, self.renderer)

    def _memory(self, persona: Persona, earlier: Earlier) -> str:
        bound, count = self.handover_bound(earlier.course), self.renderer.count_text
        note, number, of = clip(earlier.note, bound, count), earlier.number, earlier.course.sessions
        if self.speaker is Speaker.THERAPIST:
            return therapist_memory(note, number, of)
        told = " ".join(layer.content for layer in reversed(persona.disclosure[: earlier.told]))
        return patient_memory(note, clip(told, bound, count), number)

    def handover_room(self, course: CourseConfig) -> int:
        """Tokens kept free in every prompt for this speaker's memory of earlier sessions."""
        if course.sessions == 1:
            return 0
        bound = self.handover_bound(course)
        if self.speaker is Speaker.THERAPIST:
            return bound + self.renderer.count_text(f"\n\n{therapist_memory('.', course.sessions, course.sessions)}\n")
        return 2 * bound + self.renderer.count_text(f"\n\n{patient_memory('.', '.', course.sessions)}\n")


def _joined(system: str | None, memory: str) -> str | None:
    return "\n\n".join(text for text in (system, memory) if text) or None


def check_fits(config: RunConfig, personas: Sequence[Persona], role_contexts: Mapping[Speaker, RoleContext]) -> None:
    """Raises a `ConfigError` with a line for every persona and speaker whose constant part leaves too little room."""
    lines: list[str] = []
    note = config.context.note_tokens if policy_type(config.context).notes else 0
    for speaker, role_context in role_contexts.items():
        for persona in personas if speaker is Speaker.PATIENT else personas[:1]:
            label = f"persona {persona.id}" if speaker is Speaker.PATIENT else f"therapist {role_context.role.name}"
            try:
                preflight(
                    label,
                    role_context.preamble(persona),
                    role_context.window,
                    max_new_tokens=role_context.role.max_new_tokens,
                    note_tokens=note,
                    direction_tokens=role_context.direction_tokens,
                    handover_tokens=role_context.handover_room(config.course),
                )
            except ContextOverflow as error:
                lines.append(str(error))
    if lines:
        raise ConfigError(*lines)


@dataclass(frozen=True, slots=True)
class SessionAgents:
    """The agents of one session, ready to play."""

    agents: Mapping[Speaker, Agent]
    preambles: Mapping[Speaker, Preamble]
    simulated: SimulatedPatient | None
    """The patient if a model plays it, else None."""

    def started(self) -> dict[str, Any]:
        """The fields for the journal from which every prompt can be rebuilt."""
        return {
            str(speaker): {"system": preamble.system, "opening": preamble.opening}
            for speaker, preamble in self.preambles.items()
        }


class AgentFactory:
    """Makes the agents of sessions. `lines` are those of a replayed patient, which has no `RoleContext`."""

    def __init__(
        self,
        config: RunConfig,
        role_contexts: Mapping[Speaker, RoleContext],
        engines: Mapping[Speaker, Engine],
        lines: Sequence[str] | None,
    ) -> None:
        self._config = config
        self._role_contexts = role_contexts
        self._engines = engines
        self._lines = lines
        for speaker in role_contexts:
            self._policy(speaker, Meter())  # refuses an impossible summarizer before a session begins
        self._preambles: dict[tuple[Speaker, str], Preamble] = {}

    def session_agents(self, session: Session, persona: Persona) -> SessionAgents:
        """The agents of a session. Each goes on from the view of its last turn."""
        preambles = {speaker: self._preamble(speaker, persona, session) for speaker in self._role_contexts}
        model_speakers = {
            speaker: self._model_speaker(session, speaker, preamble) for speaker, preamble in preambles.items()
        }
        planned = self._config.max_exchanges if self._config.therapist.session_plan else None
        therapist = Therapist(model_speakers[Speaker.THERAPIST], planned)
        if self._lines is not None:
            return SessionAgents(
                {Speaker.PATIENT: ReplayPatient(self._lines), Speaker.THERAPIST: therapist}, preambles, None
            )
        state = session.before and session.before.state
        patient = SimulatedPatient(
            model_speakers[Speaker.PATIENT],
            persona,
            self._appraiser(session, persona),
            self._self_check(session, persona),
            InnerState.from_dict(state) if state else None,
            exchanges=self._config.max_exchanges,
            shapes=self._shapes(session.spec.seed, persona),
        )
        return SessionAgents({Speaker.PATIENT: patient, Speaker.THERAPIST: therapist}, preambles, patient)

    async def hand_over(self, session_agents: SessionAgents, session: Session, persona: Persona) -> tuple[Event, ...]:
        """The events at the end of a session of a course; the last one is the `handover`.

        Raises `EngineUnavailable` if the engine is lost for all sessions, and `RuntimeError` outside a course.
        """
        if self._config.course.sessions == 1 or session_agents.simulated is None:
            raise RuntimeError(f"{session.spec.session_id} is not a session of a course")
        state, events = await session_agents.simulated.left_with(session.turns)
        back = after_a_break(state, persona).to_dict() if state else None
        return (*events, await self._handover_writer(session.meter).write(session, back))

    def seen_by_therapist(self, session_agents: SessionAgents, turns: Sequence[Turn], view: View) -> list[str]:
        """The messages of the therapist's last view: the system text with the note, and the turns."""
        preamble = session_agents.preambles[Speaker.THERAPIST]
        asked = turns if turns[-1].speaker is Speaker.PATIENT else turns[:-1]
        messages = project(preamble.system, preamble.opening, preamble.speaker, asked, view, preamble.renderer)
        return [message.content for message in messages]

    def _preamble(self, speaker: Speaker, persona: Persona, session: Session) -> Preamble:
        """The preamble of a session: cached per persona, and once for the therapist, who knows no persona.

        A later session of a course has its own. A resumed session keeps the one in its journal, because templates or
        the window may have changed since.
        """
        if session.started is not None and (kept := session.started.get(speaker)) is not None:
            return Preamble(speaker, kept["system"], kept["opening"], self._role_contexts[speaker].renderer)
        if session.before is not None:
            earlier = Earlier.of(session.before, session.spec.number, self._config.course)
            return self._role_contexts[speaker].preamble(persona, earlier)
        key = (speaker, persona.id if speaker is Speaker.PATIENT else "")
        if key not in self._preambles:
            self._preambles[key] = self._role_contexts[speaker].preamble(persona)
        return self._preambles[key]

    def _appraiser(self, session: Session, persona: Persona) -> Appraiser | None:
        match self._config.patient.state:
            case "off":
                return None
            case state if heard_by_rules(state, persona.language):
                return RuleAppraiser(persona)
            case _:
                query = self._query(Speaker.PATIENT, APPRAISAL_TOKENS, Purpose.APPRAISAL, session.meter)
                return ModelAppraiser(query, persona, session.spec)

    def _shapes(self, seed: int, persona: Persona) -> Callable[[int, str | None], Shape] | None:
        profile = chosen(self._config.patient.profile, persona.profile)
        return None if profile is None else lambda index, behaviour: draw(profile, seed, index, behaviour)

    def _self_check(self, session: Session, persona: Persona) -> SelfCheck | None:
        wanted = self._config.patient.self_check
        if wanted == "off":
            return None
        query = self._query(Speaker.PATIENT, CHECK_TOKENS, Purpose.CHECK, session.meter) if wanted == "model" else None
        return SelfCheck(persona, session.spec, query)

    def _query(self, speaker: Speaker, max_new_tokens: int, purpose: Purpose, meter: Meter) -> StructuredQuery:
        """A query to a speaker's model outside the dialogue."""
        role_context = self._role_contexts[speaker]
        adapter = role_context.role.model.adapter
        return StructuredQuery(
            self._engines[speaker],
            role_context.renderer,
            role_context.window,
            max_new_tokens=max_new_tokens,
            adapter=str(adapter) if adapter else None,
            purpose=purpose,
            meter=meter,
        )

    def _model_speaker(self, session: Session, speaker: Speaker, preamble: Preamble) -> ModelSpeaker:
        role_context, spec = self._role_contexts[speaker], session.spec
        adapter = role_context.role.model.adapter
        context = ContextManager(
            preamble,
            self._engines[speaker],
            role_context.window,
            self._policy(speaker, session.meter),
            sampling=role_context.role.sampling.sampling(),
            max_new_tokens=role_context.role.max_new_tokens,
            low_water=self._config.context.low_water,
            direction_tokens=role_context.direction_tokens,
            adapter=str(adapter) if adapter else None,
            logprobs=self._config.keep.logprobs,
            label=f"{spec.session_id}: {speaker}",
            meter=session.meter,
        )
        if view := session.views.get(speaker):
            context.restore(view)
        return ModelSpeaker(speaker, context, spec.session_id, spec.seed, self._config.min_exchanges)

    def _policy(self, speaker: Speaker, meter: Meter) -> Policy:
        """The context policy of a speaker, with the summarizer that the config names."""
        context = self._config.context
        if not policy_type(context).notes:
            return make_policy(context, None)
        writer = speaker if context.summarizer == "own" else Speaker(context.summarizer)
        if writer not in self._role_contexts:
            raise ConfigError(f"context.summarizer: {writer}, but a replayed patient has no model; expected therapist")
        return make_policy(context, Summarizer(self._query(writer, context.note_tokens, Purpose.NOTE, meter)))

    def _handover_writer(self, meter: Meter) -> HandoverWriter:
        """The writer of handover notes. Their bound is that of the speaker with more room."""
        course, context = self._config.course, self._config.context
        writer = Speaker.THERAPIST if context.summarizer == "own" else Speaker(context.summarizer)
        bound = max(role_context.handover_bound(course) for role_context in self._role_contexts.values())
        summarizer = None
        if course.note == "model":
            summarizer = Summarizer(self._query(writer, bound, Purpose.HANDOVER, meter), "handover.jinja")
        return HandoverWriter(summarizer, self._role_contexts[writer].renderer, bound)


def simulated(patient: PatientConfig) -> bool:
    """Whether a model plays the patient."""
    return patient.kind == "simulated"
