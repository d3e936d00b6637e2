"""Ends a job that is told to stop: its runs are saved and, if its scheduler allows it, the job is queued again.

submitit's jobs get a signal before their time is over (Slurm sends it `signal_delay_s` earlier). submitit then pickles
the task again, requests a requeue and exits. The run is brought to disk before that; the later job resumes the run folder.
"""

import os
import signal
from collections.abc import Sequence
from typing import NoReturn

from harness.runs.interrupts import STOPPING, handled_here


def signals_of_this_job() -> Sequence[signal.Signals]:
    """The signals on which this process stops in order; none outside the main thread."""
    return handled_here((*STOPPING, _requeue_signal()) if _submitit() else STOPPING)


def leave(number: signal.Signals) -> NoReturn:
    """Exit from a job whose runs are saved, after the signal `number` interrupted it.

    Under submitit, the job is queued again if the signal asks for that. Slurm's own SIGTERM means that Slurm cancels the
    job or restarts it itself, so it must not be queued again; submitit's local jobs are restarted only by submitit.
    """
    executor = _submitit()
    if executor is None:
        raise KeyboardInterrupt
    if number is _requeue_signal() or (executor == "local" and number is signal.SIGTERM):
        signal.raise_signal(_requeue_signal())  # submitit's handler raises SystemExit
    raise SystemExit(128 + number)


def _submitit() -> str | None:
    """The submitit executor that runs this process, or None."""
    return os.environ.get("SUBMITIT_EXECUTOR")


def _requeue_signal() -> signal.Signals:
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
