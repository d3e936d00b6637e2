"""One run from its config to its finished folder.

Invariant: the folder is whole at every moment; a run that stops early says how to go on.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from harness.batch import Outcome, play_batch
from harness.cli.progress import Display
from harness.config.schema import RunConfig
from harness.errors import HarnessError
from harness.fit import check_fit
from harness.prepare import Pending, prepare, reopen
from harness.stock import Stock
from harness.store.outputs import point_latest
from harness.store.records import RunStatus, read_sessions


def execute(config: RunConfig, display: Display) -> Outcome:
    """Play a new run. Raises a `HarnessError` for what stops it."""
    return _play(prepare(config, Stock()), display)


def resume(
    path: Path,
    display: Display,
    *,
    retry_failed: bool = False,
    overrides: Sequence[str] = (),
    trusted: bool = False,
) -> Outcome:
    """Go on with the run in `path`; with `retry_failed`, its failed sessions too. Raises as `execute`.

    `trusted`: code that comes with its models may run.
    """
    return _play(reopen(path, Stock(), retry_failed=retry_failed, overrides=overrides, trusted=trusted), display)


def _play(run: Pending, display: Display) -> Outcome:
    follower = _OneRun(display)
    play_batch([run], display, follower)
    if isinstance(follower.end, HarnessError):
        raise follower.end
    if follower.end is None:
        raise RuntimeError("the run came to no end")
    return follower.end


class _OneRun:
    """Tells a person where the results are, or how to go on."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._path: Path | None = None
        self.end: Outcome | HarnessError | None = None

    def opened(self, run: Pending, path: Path) -> None:
        self._path = path

    def playing(self, run: Pending, path: Path) -> None:
        if run.is_new:
            point_latest(path)

    def ended(self, run: Pending, end: Outcome | HarnessError) -> bool:
        self.end = end
        if isinstance(end, HarnessError):
            return True
        if end.status is RunStatus.FINISHED:
            if all(engine.kind == "dry" for engine in end.record.engines.values()):
                self._display.fit(check_fit(read_sessions(end.path / "sessions.jsonl")))
            self._display.summary(end.path, end.record)
        elif end.status is RunStatus.FAILED:
            self._display.say(f"what was said is kept; go on with: {resume_command(end.path)}")
        else:
            self._display.say(f"go on with: {resume_command(end.path)}")
        return True

    def abandoned(self) -> None:
        if self._path is not None:
            self._display.say(f"go on with: {resume_command(self._path)}")


def resume_command(path: Path) -> str:
    """What a user types to go on with a run or a sweep."""
    return f"python -m harness resume {shlex.quote(str(path))}"
