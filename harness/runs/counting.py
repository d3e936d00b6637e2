"""Counts the sessions of a run in flight, so that its end is noticed while other runs of the batch continue."""

from collections.abc import Callable, Iterator

from harness.runs.workers import SessionRunner
from harness.sessions.loop import Session
from harness.types import Failure


class CountingRunner:
    """Plays the sessions of one run in a batch; calls `over` when the last one has ended."""

    def __init__(self, runner: SessionRunner, sessions: Iterator[Session], over: Callable[[], None]) -> None:
        self._runner = runner
        self._sessions = sessions
        self._over = over
        self._in_flight = 0
        self._handed_out = False

    def left(self) -> Iterator[Session]:
        """Yield the sessions that have not ended and don't wait for another one."""
        for session in self._sessions:
            self._in_flight += 1
            yield session
        self._handed_out = True
        self._check()

    async def play(self, session: Session) -> Session | None:
        """Play a session to its end; returns the next one of its course. Raises the error that made it fail."""
        following = await self._runner.play(session)
        if following is None:
            self._done()
        return following

    def failed(self, failure: Failure) -> None:
        """Record a session's failure; it ends its course."""
        self._runner.failed(failure)
        self._done()

    def _done(self) -> None:
        self._in_flight -= 1
        self._check()

    def _check(self) -> None:
        if self._handed_out and not self._in_flight:
            self._over()
