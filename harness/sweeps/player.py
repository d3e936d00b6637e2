"""The task of a launcher's jobs: plays points of a sweep, each in its own run folder.

Invariants:
- A point that was begun continues from its last complete turn, on any machine and after any number of restarts.
- All state is in the folders: a job needs only this object and its composed config.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.compose import check, config_dirs
from harness.config.environment import container
from harness.config.messages import Composed
from harness.config.overrides import changed
from harness.config.plugins import load_plugins
from harness.config.schema import RunConfig
from harness.errors import ConfigError, HarnessError, StorageError
from harness.runs.batch import Outcome, play_batch
from harness.runs.interrupts import handlers_kept
from harness.runs.prepare import CheckedRun, prepare, reopen
from harness.runs.reporter import Reporter
from harness.runs.resources import SharedResources
from harness.runs.single import resume_command
from harness.store.outputs import point_latest
from harness.store.records import RunStatus, is_judged, read_record
from harness.sweeps import cluster
from harness.sweeps.expand import FOLDER_LENGTH
from harness.sweeps.record import PointState, SweepRecord, mark, read_sweep, state_of

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True, slots=True)
class Job:
    """A point as Hydra composed it."""

    cfg: "DictConfig"
    choices: Mapping[str, str | None]
    """The chosen file of each config group: whether a judge is chosen, and whose sampling a server gets, depends on these."""

    @property
    def plugins(self) -> list[str]:
        """The modules of the plug-ins that the point names."""
        named = self.cfg.plugins
        return [named] if isinstance(named, str) else list(map(str, named or []))

    def checked(self, overrides: Sequence[str], own: Path | None) -> RunConfig:
        """The config, with prompts from the user's `own` folder. Raises `ConfigError`."""
        chosen = {group: str(choice) for group, choice in self.choices.items() if choice is not None}
        return check(Composed(container(self.cfg), tuple(overrides), chosen, config_dirs(own)))


@dataclass(frozen=True, slots=True)
class Player:
    """Plays points of the sweep in `folder`; sent to other machines by pickle."""

    folder: Path
    reporter: Callable[[], Reporter]
    """Makes the reporter; called in the process that plays the points."""
    failed_before: int
    """Failed points when the sweep was started; they don't count for `on_failure`."""
    retry_failed: bool = False
    trusted: bool = True
    """Whether code that comes with the models of resumed points may run."""
    overrides: tuple[str, ...] = ()
    """Settings that replace those of the points, as KEY=VALUE."""

    def __call__(self, cfg: "DictConfig") -> int:
        """Play one point as one run, as a job of any launcher; returns its exit code.

        If it was interrupted, it exits through `cluster.leave`.
        """
        from hydra.core.hydra_config import HydraConfig

        return self.play([Job(cfg, HydraConfig.get().runtime.choices)])[0]

    def play(self, jobs: Sequence["Job"]) -> list[int]:
        """Play points, those with the same engines as one batch; returns their exit codes."""
        names = [Path(str(job.cfg.run.dir)).name for job in jobs]
        record = read_sweep(self.folder)
        if not record.is_stopped(self.failed_before):
            left = [
                name
                for name in names
                if record.point(name).state is not PointState.FINISHED
                or not is_judged(self.folder / name, self.overrides)
            ]
            reporter = self.reporter()
            follower = _Follower(self, record, reporter)
            try:
                runs = follower.prepare({name: job for name, job in zip(names, jobs, strict=True) if name in left})
                interrupted = self._play(runs, follower, reporter)
            finally:
                reporter.stop()
            if interrupted is not None:
                cluster.leave(interrupted)
            record = read_sweep(self.folder)
        return [record.point(name).exit_code for name in names]

    def _play(self, runs: Sequence[CheckedRun], follower: "_Follower", reporter: Reporter) -> signal.Signals | None:
        """Play the batches; returns the signal that interrupted them, or None."""
        groups: dict[object, list[CheckedRun]] = {}
        for run in runs:
            groups.setdefault((run.spec.engines(), run.spec.config.executor), []).append(run)
        for group in groups.values():
            if follower.stopped:
                break
            if len(groups) > 1 or len(group) > 1:
                reporter.say(f"{len(group)} of {len(runs)} points share their engines and are played as one batch")
            logs, signals = self.folder / "logs" / f"engines-{follower.name(group[0])}", cluster.signals_of_this_job()
            try:
                with handlers_kept(signals):
                    interrupted = play_batch(group, reporter, follower, log_dir=logs, signals=signals)
            except HarnessError as error:
                follower.lost(group, error)
            else:
                if interrupted is not None:
                    return interrupted
        return None


class _Follower:
    """Updates sweep.json and prints the progress of the points."""

    def __init__(self, player: Player, record: SweepRecord, reporter: Reporter) -> None:
        self._player = player
        self._reporter = reporter
        self._folder = player.folder
        self._config_dir = record.config_dir
        self._names: dict[CheckedRun, str] = {}
        self._ended: set[CheckedRun] = set()
        self._labels = {point.folder: point.label for point in record.points}
        self._points = {point.folder: point for point in record.points}
        self.stopped = False

    def name(self, run: CheckedRun) -> str:
        """Name of a point's folder."""
        return self._names[run]

    def prepare(self, jobs: Mapping[str, "Job"]) -> list[CheckedRun]:
        """Check points, or open their folders again; returns those that can be played."""
        resources, runs = SharedResources(), []
        for name, job in jobs.items():
            if self.stopped:
                break
            try:
                run = self._pending(name, job, resources)
            except HarnessError as error:
                self._failed(name, error)
            else:
                self._names[run] = name
                runs.append(run)
        return runs

    def opened(self, run: CheckedRun, path: Path) -> None:
        mark(self._folder, {self._names[run]}, PointState.RUNNING)

    def playing(self, run: CheckedRun, path: Path) -> None:
        point_latest(self._folder)

    def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
        name = self._names[run]
        self._ended.add(run)
        if isinstance(end, HarnessError):
            self._failed(name, end)
            return not self.stopped
        if end.status is RunStatus.FAILED:
            return True  # the engines are gone: `lost` says why
        state, exit_code = state_of(end.record)
        self._mark(name, state, exit_code)
        totals = end.record.totals
        failed = f", {totals.failed} failed" if totals.failed else ""
        self._reporter.say(
            f"point {self._labels[name]}: {state}, {totals.finished}/{totals.sessions} sessions{failed}: {end.path}"
        )
        return not self.stopped

    def abandoned(self) -> None:
        self._reporter.say(f"go on with: {resume_command(self._folder)}")

    def lost(self, group: Sequence[CheckedRun], error: HarnessError) -> None:
        """Report that the rest of a batch can't be played."""
        for run in group:
            name = self._names[run]
            path = self._folder / name / "run.json"
            if run not in self._ended or (path.is_file() and read_record(path.parent).status is RunStatus.FAILED):
                self._failed(name, error)

    def _pending(self, name: str, job: "Job", resources: SharedResources) -> CheckedRun:
        path, given = self._folder / name, self._player
        is_begun = (path / "run.json").is_file()
        if given.trusted or not is_begun:
            load_plugins(job.plugins)  # a job of another launcher has a process of its own
        if is_begun:
            return reopen(
                path, resources, retry_failed=given.retry_failed, overrides=given.overrides, trusted=given.trusted
            )
        point = self._points[name]
        contents = point.content_hashes
        config = job.checked(point.overrides, self._config_dir)
        if given.overrides:
            config = changed(config.model_dump(mode="json"), given.overrides)
        run = prepare(config, resources, contents)
        if contents is not None and run.spec.config_hash[:FOLDER_LENGTH] != name:
            raise ConfigError(
                f"point {name}: its settings, or the files that they name, are not those that the sweep was started "
                "with; expected the same files and, for engine=auto, the same engines on every machine"
            )
        return run

    def _failed(self, name: str, error: HarnessError) -> None:
        if isinstance(error, StorageError) and read_sweep(self._folder).point(name).state is PointState.RUNNING:
            self._reporter.say(f"point {self._labels[name]}: left to the process that plays it ({error})")
            return
        self._mark(name, PointState.FAILED, error.exit_code, str(error))
        for line in error.lines:
            self._reporter.say(f"point {self._labels[name]}: {line}")

    def _mark(self, name: str, state: PointState, exit_code: int, error: str | None = None) -> None:
        record = mark(self._folder, {name}, state, exit_code=exit_code, error=error)
        if record.is_stopped(self._player.failed_before) and not self.stopped:
            self.stopped = True
            self._reporter.say(f"on_failure={record.on_failure}: the sweep stops here")
