"""Which sessions of a run are in flight, so that its end is known while others of the batch go on."""

from collections.abc import Callable, Iterator

from harness.runs.workers import SessionRunner
from harness.sessions.loop import Session
from harness.types import Failure


class CountingRunner:
    """Plays the sessions of one run in a batch; tells when the last one is over."""

    def __init__(self, runner: SessionRunner, sessions: Iterator[Session], over: Callable[[], None]) -> None:
        self._runner = runner
        self._sessions = sessions
        self._over = over
        self._in_flight = 0
        self._handed_out = False

    def left(self) -> Iterator[Session]:
        """Hand out the sessions that have not ended and wait for no other."""
        for session in self._sessions:
            self._in_flight += 1
            yield session
        self._handed_out = True
        self._check()

    async def play(self, session: Session) -> Session | None:
        """Play a session to its end; the one that follows it. Raises what made it fail."""
        following = await self._runner.play(session)
        if following is None:
            self._done()
        return following

    def failed(self, failure: Failure) -> None:
        """Keep a session's failure; nothing follows it."""
        self._runner.failed(failure)
        self._done()

    def _done(self) -> None:
        self._in_flight -= 1
        self._check()

    def _check(self) -> None:
        if self._handed_out and not self._in_flight:
            self._over()
