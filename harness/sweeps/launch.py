"""Hands the points of a sweep to its Hydra launcher.

Invariant: a point's folder records its progress, so a launcher that fails costs only the points that it was playing.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, HarnessError, first_line
from harness.paths import install_command
from harness.sweeps.expand import composed_for_sweep, is_sweep_override, quoted, sweep_override
from harness.sweeps.player import Player
from harness.sweeps.record import PointRecord, PointState, SweepRecord, mark

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext
    from omegaconf import DictConfig

_EXTRAS = {"ray": "ray", "submitit_slurm": "slurm", "submitit_local": "slurm"}
"""The extra of this project that installs each launcher."""


def launch(player: Player, record: SweepRecord, points: Sequence[PointRecord]) -> None:
    """Play points as the launcher's jobs and wait for them. Raises `ConfigError` if the launcher isn't installed."""
    from hydra._internal.callbacks import Callbacks
    from hydra.types import HydraContext

    say = player.reporter().say
    own = [override for override in map(sweep_override, record.overrides) if not is_sweep_override(override)]
    logs = f"hydra.sweep.dir={quoted(str(player.folder / 'logs'))}"
    hydra, config = composed_for_sweep([*own, logs], record.config_dir)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    launcher = _launcher(context, player, config)
    size = config.hydra.sweeper.max_batch_size or len(points)
    for start in range(0, len(points), size):
        batch = points[start : start + size]
        returned = _launch(launcher, player.folder, batch, start, say)
        _mark_defects(player.folder, batch, returned, say)


def _launch(
    launcher: "Launcher", folder: Path, points: Sequence[PointRecord], start: int, say: Callable[[str], None]
) -> "Sequence[JobReturn]":
    """The results of the jobs; none if the launcher itself failed, as it does when a job's process dies."""
    from harness.sweeps.launcher import FusedLauncher

    jobs = [[*point.overrides, f"run.dir={quoted(str(folder / point.folder))}"] for point in points]
    try:
        return launcher.launch(jobs, initial_job_idx=start)
    except HarnessError:
        raise
    except Exception as error:
        if isinstance(launcher, FusedLauncher):
            raise
        reason = f"{type(error).__name__}: {first_line(error)}"
        say(f"{type(launcher).__name__} failed: {reason}; the messages of its jobs may be in {folder / 'logs'}")
        return ()


def _mark_defects(
    folder: Path, points: Sequence[PointRecord], returned: "Sequence[JobReturn]", say: Callable[[str], None]
) -> None:
    """Mark the points whose jobs raised: points record their failures themselves, so an exception is a defect."""
    from hydra.core.utils import JobStatus

    for point, job in zip(points, returned, strict=False):
        if job.status is JobStatus.FAILED:
            line = f"defect in the harness: {job._return_value!r}"
            mark(folder, {point.folder}, PointState.FAILED, exit_code=1, error=line)
            say(f"point {point.label}: {line}")


def _launcher(context: "HydraContext", player: Player, config: "DictConfig") -> "Launcher":
    """The launcher that a config names. Hydra finds only installed plugins, so ours is made here.

    Raises `ConfigError` if it isn't installed.
    """
    from hydra.core.plugins import Plugins

    from harness.sweeps.launcher import FusedLauncher

    if config.hydra.launcher.get("_target_") == f"{FusedLauncher.__module__}.{FusedLauncher.__name__}":
        fused = FusedLauncher()
        fused.setup(hydra_context=context, task_function=player, config=config)
        return fused
    try:
        return Plugins.instance().instantiate_launcher(context, player, config)
    except (ImportError, RuntimeError) as error:
        raise ConfigError(_missing(config.hydra.runtime.choices.get("hydra/launcher"), error)) from error


def _missing(launcher: Any, error: Exception) -> str:
    extra = _EXTRAS.get(str(launcher))
    remedy = install_command(extra) if extra else "is its plugin installed?"
    return f"hydra/launcher={launcher}: {first_line(error)}; {remedy}"
