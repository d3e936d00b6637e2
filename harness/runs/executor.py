"""The interface between a batch and the executor of its sessions: this process or a cluster.

Invariants:
- A refused run leaves the engines up for the others; an error that stops an engine stops the batch.
- The executor of a session does not change its dialogue.
"""

from types import TracebackType
from typing import Protocol, Self

from harness.errors import HarnessError
from harness.runs.prepare import CheckedRun, OpenRun
from harness.runs.workers import SessionRunner
from harness.sessions.observer import Observer


class Executor(Protocol):
    """Plays sessions of runs that need the same engines. Use as an async context manager; leaving it stops them."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def runner(self, run: CheckedRun, open_run: OpenRun, observer: Observer) -> SessionRunner | HarnessError:
        """The runner for the sessions of a run, with its engines started; or the error that refuses only this run.

        Raises a `HarnessError` for an error that concerns all runs.
        """
        ...

    def concurrency(self) -> tuple[int, str]:
        """Most sessions in flight, and the reason as text; known once `runner` has returned."""
        ...

    def over(self, open_run: OpenRun) -> None:
        """Called when the last session of a run has ended."""
        ...
