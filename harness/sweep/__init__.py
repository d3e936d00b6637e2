"""Many runs that differ in named settings, in one folder: expanded, checked, launched, resumed."""

from harness.sweep.record import is_sweep, read_sweep
from harness.sweep.sweep import resume_sweep, sweep

__all__ = ["is_sweep", "read_sweep", "resume_sweep", "sweep"]
