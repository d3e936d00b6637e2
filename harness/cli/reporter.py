"""What a person sees while a run goes on: a live bar in a terminal, plain lines elsewhere. All of it on stderr."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from harness.agents.base import Utterance
from harness.config.schema import RoleConfig
from harness.engines.events import Learned, Notice, Paused, Restarted, Resumed, Retried
from harness.runs.fit_check import Fit
from harness.store.records import RunRecord
from harness.types import Event, Failure, SessionResult, SessionSpec, Speaker
from harness.visible import one_line

BAR_EVERY_S = 0.25
LINE_EVERY_S = 10.0
"""Without a terminal: how often a line is printed."""
NEWS_EVERY_S = 1.0
"""The same, where a session finished."""


class TerminalReporter:
    """Counts what happens and shows it. Use as a context manager around the run."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, emoji=False)
        self.turns = 0
        self.tokens = 0
        self.retries = 0
        self.finished_sessions = 0
        self.failed_sessions = 0
        self._warned_of_cuts = False
        self._total = 0
        self._began = self._shown = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def say(self, line: str) -> None:
        """One line, above the live bar where there is one."""
        self.console.print(one_line(line), soft_wrap=True, markup=False)

    def starting(self, speaker: Speaker, role: RoleConfig) -> None:
        """An engine is about to be started, or to be shared."""
        engine, auto = role.engine.kind, " (chosen by engine=auto)" if role.engine.chosen_by_auto else ""
        estimated = ", tokens estimated" if role.model.stand_in else ""
        self.say(f"{speaker}: {role.engine.model or role.model.name} on {engine}{auto}{estimated}")

    def notice(self, notice: Notice) -> None:
        """What an engine reports while it waits."""
        match notice:
            case Paused():
                self.say(
                    f"paused: {notice.engine}: {notice.reason}; next try in {notice.next_probe_s:.0f} s, "
                    f"giving up in {notice.gives_up_s:.0f} s"
                )
            case Resumed():
                self.say(f"{notice.engine} answers again after {notice.paused_s:.0f} s")
            case Restarted():
                self.say(f"{notice.engine}: {notice.reason}; restart {notice.number} of {notice.allowed}")
            case Learned():
                self.say(f"{notice.engine}: {notice.what} ({notice.reason})")
            case Retried():
                self.retries += 1

    def summary(self, path: Path, record: RunRecord) -> None:
        """Where the results of a finished run are."""
        totals = record.totals
        failed = f", {totals.failed} failed (see failures.jsonl)" if totals.failed else ""
        left = totals.sessions - totals.finished - totals.failed
        failed += f", {left} not played after a failure in their course" if left else ""
        retried = f", {self.retries} retries" if self.retries else ""
        self.say(
            f"{totals.finished}/{totals.sessions} sessions, {totals.turns} turns, "
            f"{totals.completion_tokens} tokens at {self.rate():.0f}/s{retried}{failed}"
        )
        transcripts = sorted((path / "transcripts").glob("*.md"))
        if transcripts:
            more = f" and {len(transcripts) - 1} more" if len(transcripts) > 1 else ""
            self.say(f"transcript: {transcripts[0]}{more}")
        self.say(f"report:     {path / 'report.html'}")
        self.say(f"run folder: {path}")

    def fit(self, fits: Sequence[Fit]) -> None:
        """What a dry run says about prompts."""
        table = Table(title="fit check", title_justify="left", box=None, pad_edge=False)
        table.add_column("persona")
        for name in ("sessions", "longest prompt", "least free", "compactions", "most turns evicted"):
            table.add_column(name, justify="right")
        for fit in fits:
            free = "-" if fit.least_free is None else str(fit.least_free)
            numbers = (fit.sessions, fit.longest_prompt, free, fit.compactions, fit.evicted_turns)
            table.add_row(Text(one_line(fit.persona_id)), *map(str, numbers))
        self.console.print(table)

    def start(self, sessions: int, done: int = 0) -> None:
        """Sessions begin: `sessions` in the plan, `done` of them already over."""
        self._total, self.finished_sessions = sessions, done
        self.turns = self.tokens = self.failed_sessions = 0
        self._began = self._shown = time.monotonic()
        if not self.console.is_terminal:
            return
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rest]}"),
            TimeElapsedColumn(),
            console=self.console,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("sessions", total=sessions, completed=done, rest="")
        self._bar.start()

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        self.count(1, utterance.turn.completion_tokens)
        self._warn_of_cuts(utterance.events)

    def _warn_of_cuts(self, events: Sequence[Event]) -> None:
        """Say once that a server cuts prompts, since it does not say so itself."""
        cut = next((event.data for event in events if event.kind == "silent_cut"), None)
        if cut is None or self._warned_of_cuts:
            return
        self._warned_of_cuts = True
        self.say(
            f"warning: {cut['reason']} and did not say so; prompts are kept within {cut['read_tokens']} tokens from now "
            "on; give the server a larger window (Ollama: num_ctx, LM Studio: context length), or set "
            f"engine.max_model_len={cut['read_tokens']}"
        )

    def count(self, turns: int, tokens: int) -> None:
        """Add turns reported in bulk."""
        self.turns += turns
        self.tokens += tokens
        if self._due(LINE_EVERY_S):
            self._update()

    def finished(self, result: SessionResult) -> None:
        self.finished_sessions += 1
        self._warn_of_cuts(result.events)
        if self._due(NEWS_EVERY_S):
            self._update(f"; {result.spec.session_id}: {result.stop_reason}, {len(result.turns)} turns")

    def failed(self, failure: Failure) -> None:
        self.failed_sessions += 1
        self.say(f"failed: {failure.spec.session_id} at {failure.where}: {failure.error}: {failure.message}")

    def rate(self) -> float:
        """Tokens generated per second since the sessions began."""
        return self.tokens / max(time.monotonic() - self._began, 1e-9)

    def _due(self, line_every_s: float) -> bool:
        """Whether it is time to show something again."""
        return time.monotonic() - self._shown >= (line_every_s if self._bar is None else BAR_EVERY_S)

    def _update(self, news: str = "") -> None:
        self._shown = time.monotonic()
        failed = f", {self.failed_sessions} failed" if self.failed_sessions else ""
        rest = f"{self.turns} turns, {self.rate():.0f} tokens/s{failed}"
        done = self.finished_sessions + self.failed_sessions
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, rest=rest)
        else:
            self.say(f"{done}/{self._total} sessions, {rest}{news}")

    def stop(self) -> None:
        """End the live bar, leaving its last state on the screen."""
        if self._bar is not None:
            self._update()
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        sys.stderr.flush()
