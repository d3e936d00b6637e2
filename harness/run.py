"""One run under way: its folder, its cast, and the sessions that are left to play.

Invariants:
- What is journalled comes before what is derived from it.
- A session is known here only while it is in flight.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from harness.cast import Cast
from harness.config.schema import RunConfig
from harness.guard import Guard
from harness.metrics.session import session_metrics
from harness.personas.schema import Persona
from harness.plan import plan
from harness.session import Session, Utterance, run_session
from harness.store.resume import Progress
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
        """The sessions that have not ended, each with what it already said."""
        for spec in plan(tuple(self._personas), self._config.sessions_per_persona, self._config.seed):
            if self._progress.state(spec.session_id) is None:
                yield Session(spec)
            elif past := self._progress.in_progress.pop(spec.session_id, None):
                yield Session(spec, past.turns, past.events, past.views, past.stop, started=True)

    async def play(self, session: Session) -> None:
        """Play a session to its end and keep it. Raises what made it fail."""
        persona = self._personas[session.spec.persona_id]
        scene = self._cast.scene(session, persona)
        if not session.started:
            self.folder.start_session(session.spec, **scene.started())
        guard = Guard(self._config.guard, persona.language)
        result = await run_session(session, scene.agents, guard, self._config.max_exchanges, self)
        view = session.views.get(Speaker.THERAPIST)
        seen = self._cast.seen_by_therapist(persona, result.turns, view) if view else None
        metrics = session_metrics(
            result.turns, result.events, result.stop_reason, final_view=seen, repeating=guard.repeating_turns()
        )
        self.folder.finish_session(result, metrics)
        self._watcher.finished(result)

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
