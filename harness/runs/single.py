"""Plays one run, from its config to its finished folder.

Invariant: the folder is consistent at every moment; a run that stops early prints how to resume it.
"""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.config.schema import RunConfig
from harness.config.servers import remember
from harness.errors import HarnessError
from harness.runs.batch import Outcome, play_batch
from harness.runs.fit_check import check_fit
from harness.runs.prepare import CheckedRun, prepare, reopen
from harness.runs.reporter import Reporter
from harness.runs.resources import SharedResources
from harness.store.outputs import point_latest
from harness.store.records import RunStatus, is_judged, read_sessions


def execute(config: RunConfig, reporter: Reporter) -> Outcome:
    """Play a new run. Raises a `HarnessError` for an error that stops it."""
    run = prepare(config, SharedResources())
    remember([config])
    return play(run, reporter)


def resume(
    path: Path,
    reporter: Reporter,
    *,
    retry_failed: bool = False,
    overrides: Sequence[str] = (),
    trusted: bool = False,
) -> Outcome:
    """Resume the run in `path`; with `retry_failed`, its failed sessions too. Raises as `execute`.

    `trusted`: code that comes with its models may run.
    """
    run = reopen(path, SharedResources(), retry_failed=retry_failed, overrides=overrides, trusted=trusted)
    remember([run.spec.config])
    return play(run, reporter)


def play(run: CheckedRun, reporter: Reporter) -> Outcome:
    """Play a checked run. Raises a `HarnessError` for an error that stops it."""
    follower = _OneRun(reporter)
    interrupted = play_batch([run], reporter, follower)
    if isinstance(follower.end, HarnessError):
        raise follower.end
    if follower.end is None:
        raise RuntimeError("the run did not end")
    if run.spec.judge is None or follower.end.status is not RunStatus.FINISHED:
        return follower.end
    if interrupted is not None:
        reporter.say(f"go on with: {resume_command(follower.end.path)}")
        return replace(follower.end, interrupted=True)
    return replace(follower.end, unjudged=not is_judged(follower.end.path))


class _OneRun:
    """Prints where the results are, or how to resume the run."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._path: Path | None = None
        self.end: Outcome | HarnessError | None = None

    def opened(self, run: CheckedRun, path: Path) -> None:
        self._path = path

    def playing(self, run: CheckedRun, path: Path) -> None:
        if run.is_new:
            point_latest(path)

    def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
        self.end = end
        if isinstance(end, HarnessError):
            return True
        if end.status is RunStatus.FINISHED:
            if all(engine.kind == "dry" for engine in end.record.engines.values()):
                self._reporter.fit(check_fit(read_sessions(end.path / "sessions.jsonl")))
            self._reporter.summary(end.path, end.record)
        elif end.status is RunStatus.FAILED:
            self._reporter.say(f"what was said is kept; go on with: {resume_command(end.path)}")
        else:
            self._reporter.say(f"go on with: {resume_command(end.path)}")
        return True

    def abandoned(self) -> None:
        if self._path is not None:
            self._reporter.say(f"go on with: {resume_command(self._path)}")


def resume_command(path: Path) -> str:
    """The command that resumes a run or a sweep."""
    return f"python -m harness resume {shlex.quote(str(path))}"
