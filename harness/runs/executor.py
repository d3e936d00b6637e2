"""The interface between a batch and whatever plays its sessions: this process or a cluster.

Invariants:
- A run that is refused leaves the engines up for the others; what stops an engine stops the batch.
- Which executor plays a session does not change what is said in it.
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
        """What plays the sessions of a run, its engines started; or the error that refuses this run and no other.

        Raises a `HarnessError` for what concerns all runs.
        """
        ...

    def concurrency(self) -> tuple[int, str]:
        """Most sessions in flight, and why; known once a run got its runner or was refused one."""
        ...

    def over(self, open_run: OpenRun) -> None:
        """The last session of a run is over."""
        ...
