"""One run under way: its folder, its cast, and the sessions that are left to play.

Invariants:
- What is journalled comes before what is derived from it.
- A session is known here only while it is in flight.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from harness.cast import Cast
from harness.cli.progress import Display
from harness.config.schema import RunConfig
from harness.guard import Guard
from harness.metrics.run import RunMetrics
from harness.metrics.session import session_metrics
from harness.personas.schema import Persona
from harness.plan import plan
from harness.report import write_report
from harness.session import Session, Utterance, run_session
from harness.store.files import write_whole
from harness.store.records import RunStatus
from harness.store.resume import Progress
from harness.store.run_dir import RunDir
from harness.types import Failure, SessionResult, SessionSpec, Speaker


class Run:
    """Plays sessions of one config into one folder; takes their turns and their ends."""

    def __init__(
        self,
        config: RunConfig,
        personas: Sequence[Persona],
        cast: Cast,
        folder: RunDir,
        progress: Progress,
        display: Display,
    ) -> None:
        self.config = config
        self.cast = cast
        self.folder = folder
        self.personas: Mapping[str, Persona] = {persona.id: persona for persona in personas}
        self._progress = progress
        self._display = display

    def specs(self) -> Iterator[SessionSpec]:
        """Every session of the plan."""
        return plan(tuple(self.personas), self.config.sessions_per_persona, self.config.seed)

    def left(self) -> Iterator[Session]:
        """The sessions that have not ended, each with what it already said."""
        for spec in self.specs():
            if self._progress.state(spec.session_id) is None:
                yield Session(spec)
            elif past := self._progress.in_progress.pop(spec.session_id, None):
                yield Session(spec, past.turns, past.events, past.views, past.stop)

    async def play(self, session: Session) -> SessionResult:
        """Play a session to its end. Raises what made it fail."""
        persona = self.personas[session.spec.persona_id]
        scene = self.cast.scene(session, persona)
        if not session.turns:
            self.folder.start_session(session.spec, **scene.started())
        guard = Guard(self.config.guard, persona.language)
        return await run_session(session, scene.agents, guard, self.config.max_exchanges, self)

    def said(self, spec: SessionSpec, utterance: Utterance) -> None:
        """Journal a turn after its events."""
        for event in utterance.events:
            self.folder.record_event(spec.session_id, event)
        self.folder.record_turn(spec.session_id, utterance.turn, utterance.view, utterance.stop)
        self._display.said(spec, utterance)

    def finished(self, session: Session, result: SessionResult) -> None:
        """Journal the end of a session and write its line."""
        view = session.views.get(Speaker.THERAPIST)
        seen = self.cast.seen_by_therapist(self.personas[session.spec.persona_id], result.turns, view) if view else None
        metrics = session_metrics(result.turns, result.events, result.stop_reason, final_view=seen)
        self.folder.finish_session(result, metrics)
        self._display.finished(result)

    def failed(self, failure: Failure) -> None:
        """Journal a session's failure."""
        self.folder.fail_session(failure)
        self._display.failed(failure)

    def end(self, status: RunStatus) -> None:
        """Bring everything to disk and write what is derived from all sessions. Raises `StorageError`."""
        self.folder.end(status)
        path = self.folder.path
        total = RunMetrics()
        with (path / "sessions.jsonl").open("rb") as lines:
            for line in lines:
                total.add(orjson.loads(line))
        metrics = total.result(self.folder.record.totals.failed)
        write_whole(path / "metrics.json", orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        (path / "scores.jsonl").touch()
        write_report(path)


def report_paths(path: Path) -> list[str]:
    """Lines that tell a person where to look."""
    transcripts = sorted((path / "transcripts").glob("*.md"))
    lines = [f"report:      {path / 'report.html'}", f"metrics:     {path / 'metrics.json'}"]
    if transcripts:
        more = f" (and {len(transcripts) - 1} more)" if len(transcripts) > 1 else ""
        lines.insert(0, f"transcript:  {transcripts[0]}{more}")
    return lines
