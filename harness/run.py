"""One run under way: its folder, its cast, and the sessions that are left to play.

Invariants:
- What is journalled comes before what is derived from it.
- A session is known here only while it is in flight.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from harness.cast import Cast
from harness.config.schema import RunConfig
from harness.course import handover_of
from harness.errors import StorageError
from harness.guard import Guard
from harness.metrics.session import session_metrics
from harness.personas.schema import Persona
from harness.plan import plan
from harness.session import Session, Utterance, run_session
from harness.store.resume import Progress, SessionState
from harness.store.run_dir import RunDir
from harness.types import Failure, SessionResult, SessionSpec, Speaker


class Watcher(Protocol):
    """Who is shown what happens."""

    def said(self, spec: SessionSpec, utterance: Utterance) -> None: ...

    def finished(self, result: SessionResult) -> None: ...

    def failed(self, failure: Failure) -> None: ...


class Run:
    """Plays sessions of one config into one folder; takes their turns and their ends."""

    def __init__(
        self,
        config: RunConfig,
        personas: Sequence[Persona],
        cast: Cast,
        folder: RunDir,
        progress: Progress,
        watcher: Watcher,
    ) -> None:
        self._config = config
        self._personas: Mapping[str, Persona] = {persona.id: persona for persona in personas}
        self._cast = cast
        self.folder = folder
        self._progress = progress
        self._watcher = watcher

    def left(self) -> Iterator[Session]:
        """The sessions that have not ended and wait for no other, each with what it already said."""
        config = self._config
        for course in plan(tuple(self._personas), config.sessions_per_persona, config.seed, config.course.sessions):
            session = self._next(course)
            if session is not None:
                yield session

    def _next(self, course: tuple[SessionSpec, ...]) -> Session | None:
        """The session of a course that is next; None where all have ended, or one failed."""
        finished = sum(self._progress.state(spec.session_id) is SessionState.FINISHED for spec in course)
        if finished == len(course) or self._progress.state(course[finished].session_id) is SessionState.FAILED:
            return None
        spec, rest = course[finished], course[finished + 1 :]
        handed = self._progress.handovers.pop(spec.course, None) if spec.course is not None else None
        if spec.number > 1 and handed is None:
            raise StorageError(
                f"{self.folder.path}: nothing was handed over to {spec.session_id}; the journal is damaged"
            )
        session = Session(spec, before=None if handed is None else handover_of(handed), rest=rest)
        if past := self._progress.in_progress.pop(spec.session_id, None):
            session.turns, session.events, session.views = past.turns, past.events, past.views
            session.stop, session.started = past.stop, past.started
        return session

    async def play(self, session: Session) -> Session | None:
        """Play a session to its end and keep it; the session of its course that follows. Raises what made it fail."""
        persona = self._personas[session.spec.persona_id]
        scene = self._cast.scene(session, persona)
        if session.started is None:
            self.folder.start_session(session.spec, **scene.started())
        guard = Guard(self._config.guard, persona.language)
        result = await run_session(session, scene.agents, guard, self._config.max_exchanges, self)
        following = None
        if session.rest:
            handed = await self._cast.hand_over(scene, session, persona)
            for event in handed:
                self.folder.record_event(session.spec.session_id, event)
            result = replace(result, events=(*result.events, *handed))
            following = Session(session.rest[0], before=handover_of(handed[-1]), rest=session.rest[1:])
        view = session.views.get(Speaker.THERAPIST)
        seen = self._cast.seen_by_therapist(scene, result.turns, view) if view else None
        metrics = session_metrics(
            result.turns, result.events, result.stop_reason, final_view=seen, repeating=guard.repeating_turns()
        )
        self.folder.finish_session(result, metrics)
        self._watcher.finished(result)
        return following

    def said(self, spec: SessionSpec, utterance: Utterance) -> None:
        """Journal a turn after its events."""
        for event in utterance.events:
            self.folder.record_event(spec.session_id, event)
        self.folder.record_turn(spec.session_id, utterance.turn, utterance.view, utterance.stop, utterance.draft)
        self._watcher.said(spec, utterance)

    def failed(self, failure: Failure) -> None:
        """Journal a session's failure."""
        self.folder.fail_session(failure)
        self._watcher.failed(failure)
