"""Many runs that differ in named settings, in one folder: expanded, checked, launched, resumed."""

from harness.sweep.lead import resume_sweep, sweep
from harness.sweep.record import is_sweep, read_sweep

__all__ = ["is_sweep", "read_sweep", "resume_sweep", "sweep"]
