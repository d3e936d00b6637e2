"""Shows the progress of a run on stderr: a live bar in a terminal, lines of text elsewhere."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from harness.agents.base import Utterance
from harness.cli import startup
from harness.config.schema import RoleConfig
from harness.engines.events import Learned, Notice, Paused, Restarted, Resumed, Retried
from harness.runs.fit_check import Fit
from harness.runs.reporter import Silent
from harness.store.records import RunRecord
from harness.text.console import notes
from harness.text.visible import one_line
from harness.types import Event, Failure, SessionResult, SessionSpec, Speaker

BAR_EVERY_S = 0.25
LINE_EVERY_S = 10.0
"""Without a terminal: seconds between two lines."""
NEWS_EVERY_S = 1.0
"""The same, if a session has finished."""


TIGHTEST = 5
"""Number of personas shown by a fit check without --all."""


class TerminalReporter:
    """Counts turns and sessions and shows the progress. Use as a context manager around the run."""

    def __init__(self, *, all_fits: bool = False) -> None:
        self.console = notes()
        self._all_fits = all_fits
        self._engines: dict[str, float] = {}
        """Engine and model to the time at which its start began, by the monotonic clock."""
        self._ahead = TimeLeft()
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
        """Print one line, above the live bar if there is one."""
        self.console.print(one_line(line), soft_wrap=True, markup=False)

    def starting(self, speaker: Speaker, role: RoleConfig) -> None:
        """An engine is about to be started or reused."""
        startup.checked()
        engine, auto = role.engine.kind, " (chosen by engine=auto)" if role.engine.chosen_by_auto else ""
        estimated = ", tokens estimated" if role.model.stand_in else ""
        loaded = f"{engine} {role.model.path}"
        took = startup.last(loaded)
        before = f"; it was ready after {took:.0f} s last time" if took is not None else ""
        self._engines.setdefault(loaded, time.monotonic())
        adapter = f" with the adapter {role.model.adapter.name}" if role.model.adapter else ""
        model = f"{role.engine.model or role.model.name}{adapter}"
        self.say(f"{speaker}: {model} on {engine}{auto}{estimated}{before}")

    def notice(self, notice: Notice) -> None:
        """Print what an engine reports."""
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
        """Print the totals of a run, and where its results are."""
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
        """Print the fit check of a dry run."""
        shown = fits if self._all_fits else fits[:TIGHTEST]
        title = "fit check, tightest first, in tokens"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("persona")
        columns = ("sessions", "longest", "free", "compacted", "left out")
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        room = self.console.width - sum(len(name) + 1 for name in columns)
        for fit in shown:
            free = "-" if fit.least_free is None else str(fit.least_free)
            numbers = (fit.sessions, fit.longest_prompt, free, fit.compactions, fit.evicted_turns)
            table.add_row(Text(_cut(one_line(fit.persona_id), room)), *map(str, numbers))
        self.console.print(table)
        if len(shown) < len(fits):
            self.say(f"{len(fits) - len(shown)} more personas have more room; --all shows them")

    def start(self, sessions: int, done: int = 0, most_turns: int = 0) -> None:
        """Sessions begin: `sessions` are planned, `done` of them are over; all have at most `most_turns` turns together."""
        startup.remember({name: time.monotonic() - began for name, began in self._engines.items()})
        self._engines = {}
        self._ahead = TimeLeft(most_turns / sessions if sessions else 0)
        self._total, self.finished_sessions = sessions, done
        self.turns = self.tokens = self.failed_sessions = 0
        self._began = self._shown = time.monotonic()
        if not self.console.is_terminal:
            return
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rest]}"),
            console=self.console,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("sessions", total=sessions, completed=done, rest="")
        self._bar.start()

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        self._ahead.turn(spec.session_id, utterance.turn.index)
        self.count(1, utterance.turn.completion_tokens)
        self._warn_of_cuts(utterance.events)

    def _warn_of_cuts(self, events: Sequence[Event]) -> None:
        """Warn once that a server cuts prompts, because it does not report it."""
        cut = next((event.data for event in events if event.kind == "silent_cut"), None)
        if cut is None or self._warned_of_cuts:
            return
        self._warned_of_cuts = True
        self.say(
            f"warning: {cut['reason']} and did not report it; prompts are kept within {cut['read_tokens']} tokens from now "
            "on; give the server a larger window (Ollama: num_ctx, LM Studio: context length), or set "
            f"engine.max_model_len={cut['read_tokens']}"
        )

    def count(self, turns: int, tokens: int) -> None:
        """Add turns that are reported together."""
        self.turns += turns
        self.tokens += tokens
        if self._due(LINE_EVERY_S):
            self._update()

    def finished(self, result: SessionResult) -> None:
        self.finished_sessions += 1
        self._ahead.over(result.spec.session_id)
        self._warn_of_cuts(result.events)
        if self._due(NEWS_EVERY_S):
            self._update(f"; {result.spec.session_id}: {result.stop_reason}, {len(result.turns)} turns")

    def failed(self, failure: Failure) -> None:
        self.failed_sessions += 1
        self._ahead.over(failure.spec.session_id)
        self.say(f"failed: {failure.spec.session_id} at {failure.where}: {failure.error}: {failure.message}")

    def rate(self) -> float:
        """Tokens generated per second since the sessions began."""
        return self.tokens / max(time.monotonic() - self._began, 1e-9)

    def _due(self, line_every_s: float) -> bool:
        """Whether it is time to show the progress again."""
        return time.monotonic() - self._shown >= (line_every_s if self._bar is None else BAR_EVERY_S)

    def _update(self, news: str = "") -> None:
        self._shown = time.monotonic()
        failed = f", {self.failed_sessions} failed" if self.failed_sessions else ""
        done = self.finished_sessions + self.failed_sessions
        seconds = self._ahead.seconds(self._total - done, self.turns / max(time.monotonic() - self._began, 1e-9))
        left = "" if seconds is None else f", at most {clock(seconds)} left"
        rest = f"{self.turns} turns, {self.rate():.0f} tokens/s{left}{failed}"
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
        self.console.file.flush()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(most - 3, 1)]}..."


class TimeLeft:
    """An upper estimate of the time left, from the exchanges left: sessions may end earlier."""

    def __init__(self, turns_per_session: float = 0) -> None:
        self._most = turns_per_session
        self._said: dict[str, int] = {}
        """Sessions in progress, with their turns so far, including those before a resume."""

    def turn(self, session_id: str, index: int) -> None:
        """A turn is finished; `index` counts from 0."""
        self._said[session_id] = index + 1

    def over(self, session_id: str) -> None:
        """A session ended or failed."""
        self._said.pop(session_id, None)

    def seconds(self, sessions: int, turns_per_s: float) -> float | None:
        """Seconds left for `sessions` unfinished sessions at `turns_per_s` over all sessions; None if unknown."""
        if not self._most or turns_per_s <= 0 or sessions <= 0:
            return None
        return max(sessions * self._most - sum(self._said.values()), 0) / turns_per_s


def clock(seconds: float) -> str:
    """The duration as minutes and seconds, with hours from one hour on: 0:45, 12:05, 1:02:03."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class QuietReporter(Silent):
    """Reports only sessions that fail."""

    def failed(self, failure: Failure) -> None:
        line = one_line(f"failed: {failure.spec.session_id} at {failure.where}: {failure.message}")
        notes().print(line, soft_wrap=True, markup=False)
