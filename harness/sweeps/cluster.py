"""How a job leaves when it is told to stop: saved, and where its scheduler allows it, queued again.

submitit's jobs get a signal before their time is over (Slurm sends it `signal_delay_s` ahead). submitit then pickles
the task again, asks for a requeue and exits. The run is brought to disk first, then submitit does its part; what it
starts later resumes the run folder.
"""

import os
import signal
from collections.abc import Sequence
from typing import NoReturn

from harness.runs.interrupts import STOPPING


def signals_of_this_job() -> Sequence[signal.Signals]:
    """The signals that end the work of this process in order."""
    return (*STOPPING, _requeue_signal()) if _submitit() else STOPPING


def leave(number: signal.Signals) -> NoReturn:
    """End a job whose runs are saved, after `number` interrupted it.

    Under submitit it is queued again where the signal asks for that. Slurm's own SIGTERM means that Slurm cancels the
    job or will start it again itself, so that asking for a requeue would be wrong; submitit's local jobs have nobody
    else to start them again.
    """
    executor = _submitit()
    if executor is None:
        raise KeyboardInterrupt
    if number is _requeue_signal() or (executor == "local" and number is signal.SIGTERM):
        signal.raise_signal(_requeue_signal())  # submitit's handler leaves by SystemExit
    raise SystemExit(128 + number)


def _submitit() -> str | None:
    """Which of submitit's executors runs this process, if one does."""
    return os.environ.get("SUBMITIT_EXECUTOR")


def _requeue_signal() -> signal.Signals:
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
