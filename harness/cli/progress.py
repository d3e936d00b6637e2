"""What a person sees while a run goes on: a live bar in a terminal, plain lines elsewhere. All of it on stderr."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from harness.session import Utterance
from harness.types import Failure, SessionResult, SessionSpec

LINE_EVERY_S = 10.0
"""Without a terminal: how often a line is printed, at least one a finished session aside."""


class Display:
    """Counts what happens and shows it. Use as a context manager around the run."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.turns = 0
        self.tokens = 0
        self.finished_sessions = 0
        self.failed_sessions = 0
        self._total = 0
        self._began = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def say(self, line: str) -> None:
        """One line, above the live bar where there is one."""
        self.console.print(line, soft_wrap=True, markup=False)

    def start(self, sessions: int, done: int = 0) -> None:
        """Sessions begin: `sessions` in the plan, `done` of them already over."""
        self._total, self.finished_sessions = sessions, done
        self._began = self._last_line = time.monotonic()
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

    def said(self, spec: SessionSpec, utterance: Utterance) -> None:
        self.turns += 1
        self.tokens += utterance.turn.completion_tokens
        self._update()

    def finished(self, result: SessionResult) -> None:
        self.finished_sessions += 1
        self._update(f"{result.spec.session_id}: {result.stop_reason}, {len(result.turns)} turns")

    def failed(self, failure: Failure) -> None:
        self.failed_sessions += 1
        self.say(f"failed: {failure.spec.session_id} at {failure.where}: {failure.error}: {failure.message}")
        self._update()

    def rate(self) -> float:
        """Tokens generated per second since the sessions began."""
        return self.tokens / max(time.monotonic() - self._began, 1e-9)

    def _update(self, news: str | None = None) -> None:
        failed = f", {self.failed_sessions} failed" if self.failed_sessions else ""
        rest = f"{self.turns} turns, {self.rate():.0f} tokens/s{failed}"
        done = self.finished_sessions + self.failed_sessions
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, rest=rest)
        elif news or time.monotonic() - self._last_line > LINE_EVERY_S:
            self._last_line = time.monotonic()
            self.say(f"{done}/{self._total} sessions, {rest}" + (f"; {news}" if news else ""))

    def stop(self) -> None:
        """End the live bar, leaving its last state on the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        sys.stderr.flush()
