"""Many runs that differ in named settings, in one folder: expanded, checked, launched, resumed."""

from harness.sweeps.record import is_sweep, read_sweep
from harness.sweeps.sweep import resume_sweep, sweep

__all__ = ["is_sweep", "read_sweep", "resume_sweep", "sweep"]
