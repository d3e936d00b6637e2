"""The executor that plays all sessions in this process."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.engines.events import Listener
from harness.engines.pool import EnginePool
from harness.errors import HarnessError
from harness.runs.engines import announce, concurrency, in_flight, make_factory, start_engines, tell_limits
from harness.runs.prepare import CheckedRun, OpenRun
from harness.runs.reporter import Reporter
from harness.runs.threads import whole
from harness.runs.workers import SessionRunner
from harness.sessions.observer import Observer
from harness.sessions.runner import JournalingRunner


class LocalExecutor:
    """Plays all sessions in this process."""

    def __init__(self, runs: Sequence[CheckedRun], reporter: Reporter, log_dir: Path, listener: Listener) -> None:
        self._runs = runs
        self._reporter = reporter
        roles = [role for run in runs for role in run.spec.roles.values()]
        roles += [run.spec.judge.role for run in runs if run.spec.judge is not None]
        self.pool = EnginePool(
            roles, sessions=in_flight([run.spec for run in runs]), log_dir=log_dir, listener=listener
        )

    async def __aenter__(self) -> Self:
        await self.pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pool.__aexit__(kind, error, trace)

    async def runner(self, run: CheckedRun, open_run: OpenRun, observer: Observer) -> SessionRunner | HarnessError:
        if run is self._runs[0]:
            announce(run.spec, self._reporter)
        engines, infos = await start_engines(open_run.spec, self.pool)
        try:
            factory = make_factory(open_run.spec, engines, infos)
        except HarnessError as error:
            return error
        if run is self._runs[0]:
            tell_limits(infos, self._reporter)
        await whole(partial(open_run.folder.update, engines=infos))
        return JournalingRunner(open_run.spec.config, open_run.spec.personas, factory, open_run.folder, observer)

    def concurrency(self) -> tuple[int, str]:
        return concurrency([run.spec for run in self._runs], self.pool)

    def over(self, open_run: OpenRun) -> None:
        """Nothing of a run is kept here."""
