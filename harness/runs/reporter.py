"""Who tells a person how runs go. Nothing below the command line knows how: a terminal, a notebook, or nobody."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from harness.agents.base import Utterance
from harness.config.schema import RoleConfig
from harness.engines.events import Notice
from harness.runs.fit_check import Fit
from harness.sessions.observer import Observer
from harness.store.records import RunRecord
from harness.types import Failure, SessionResult, SessionSpec, Speaker


class Reporter(Observer, Protocol):
    """Told what happens in runs, from any thread but for one run at a time."""

    def say(self, line: str) -> None:
        """One line for the user."""
        ...

    def starting(self, speaker: Speaker, role: RoleConfig) -> None:
        """An engine is about to be started, or to be shared."""
        ...

    def notice(self, notice: Notice) -> None:
        """What an engine reports while it waits."""
        ...

    def start(self, sessions: int, done: int = 0, most_turns: int = 0) -> None:
        """Sessions begin: `sessions` in the plan, `done` of them already over, with at most `most_turns` in all."""
        ...

    def count(self, turns: int, tokens: int) -> None:
        """Add turns reported in bulk."""
        ...

    def fit(self, fits: Sequence[Fit]) -> None:
        """What a dry run says about prompts."""
        ...

    def summary(self, path: Path, record: RunRecord) -> None:
        """Where the results of a finished run are."""
        ...

    def stop(self) -> None:
        """Nothing more happens in sessions."""
        ...


class Silent:
    """A reporter that tells nobody."""

    def say(self, line: str) -> None: ...

    def starting(self, speaker: Speaker, role: RoleConfig) -> None: ...

    def notice(self, notice: Notice) -> None: ...

    def start(self, sessions: int, done: int = 0, most_turns: int = 0) -> None: ...

    def count(self, turns: int, tokens: int) -> None: ...

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None: ...

    def finished(self, result: SessionResult) -> None: ...

    def failed(self, failure: Failure) -> None: ...

    def fit(self, fits: Sequence[Fit]) -> None: ...

    def summary(self, path: Path, record: RunRecord) -> None: ...

    def stop(self) -> None: ...
