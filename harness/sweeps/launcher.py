"""The launcher that plays all jobs of a sweep in this process, in one batch per set of engines."""

from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from harness.sweeps.player import Job, Player


class FusedLauncher(Launcher):
    """Hydra's launcher protocol around `Player.play`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._config = config
        self._loader = hydra_context.config_loader
        if not isinstance(task_function, Player):
            raise TypeError("hydra/launcher=fused plays sweeps of the harness only")
        self._player = task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose every job as Hydra's launchers do, and play them together."""
        setup_globals()
        jobs = [self._composed(list(overrides)) for overrides in job_overrides]
        codes = self._player.play(jobs)
        return [
            _returned(job.cfg, overrides, code) for job, overrides, code in zip(jobs, job_overrides, codes, strict=True)
        ]

    def _composed(self, overrides: list[str]) -> Job:
        cfg = self._loader.load_sweep_config(self._config, overrides)
        HydraConfig.instance().set_config(cfg)
        choices = dict(cfg.hydra.runtime.choices)
        with open_dict(cfg):
            del cfg["hydra"]
        return Job(cfg, choices)


def _returned(cfg: DictConfig, overrides: Sequence[str], code: int) -> JobReturn:
    returned = JobReturn(overrides=overrides, cfg=cfg, status=JobStatus.COMPLETED)
    returned.return_value = code
    return returned
