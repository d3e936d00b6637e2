"""Plays the sessions of one run and records them in a log.

Invariants:
- A record is written to the journal before anything derived from it.
- A session is in memory only while it is in flight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.agents.base import Utterance
from harness.agents.verdict import patient_verdict
from harness.config.schema import RunConfig
from harness.guard import Guard
from harness.metrics.conduct import Conduct
from harness.metrics.session import session_metrics
from harness.personas.schema import Persona
from harness.sessions.course import following
from harness.sessions.factory import AgentFactory
from harness.sessions.loop import Session, run_session
from harness.sessions.observer import Log, Observer
from harness.types import Failure, SessionSpec, Speaker


class JournalingRunner:
    """Plays sessions of one config and records them in `log`."""

    def __init__(
        self,
        config: RunConfig,
        personas: Sequence[Persona],
        factory: AgentFactory,
        log: Log,
        observer: Observer,
    ) -> None:
        self._config = config
        self._personas: Mapping[str, Persona] = {persona.id: persona for persona in personas}
        self._factory = factory
        self._log = log
        self._observer = observer

    async def play(self, session: Session) -> Session | None:
        """Play a session to its end and record it. Returns the next session of its course. Raises what made it fail."""
        persona = self._personas[session.spec.persona_id]
        session_agents = self._factory.session_agents(session, persona)
        if session.started is None:
            self._log.start_session(session.spec, **session_agents.started())
        guard = Guard(self._config.guard, persona.language)
        done = Conduct()
        for turn in session.turns:
            done.add(turn)

        def on_turn(spec: SessionSpec, utterance: Utterance) -> None:
            self.turn(spec, utterance)
            done.add(utterance.turn)

        try:
            bound = session.bound(self._config.max_exchanges)
            result = await run_session(session, session_agents.agents, guard, bound, on_turn)
            if session.rest:
                handed = await self._factory.hand_over(session_agents, session, persona)
                for event in handed:
                    self._log.record_event(session.spec.session_id, event)
                result = replace(result, events=(*result.events, *handed))
        finally:  # a failed session has used tokens, too
            self._log.record_usage(session.spec.session_id, session.meter.take())
        view = session.views.get(Speaker.THERAPIST)
        seen = self._factory.seen_by_therapist(session_agents, result.turns, view) if view else None
        said = guard.said(turn.speaker for turn in result.turns)
        metrics = session_metrics(
            result.turns,
            result.events,
            result.stop_reason,
            final_view=seen,
            repeating=guard.repeating_turns(),
            said=said,
            done=done,
        )
        if session_agents.simulated is not None:
            metrics |= patient_verdict(result.turns, persona, said)
        self._log.finish_session(result, metrics)
        self._observer.finished(result)
        return following(session, result.events)

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        """Journal a turn after its events."""
        for event in utterance.events:
            self._log.record_event(spec.session_id, event)
        self._log.record_usage(spec.session_id, utterance.usage)
        self._log.record_turn(
            spec.session_id, utterance.turn, utterance.view, utterance.stop, utterance.draft, utterance.sampled
        )
        self._observer.turn(spec, utterance)

    def failed(self, failure: Failure) -> None:
        """Journal a session's failure."""
        self._log.fail_session(failure)
        self._observer.failed(failure)
