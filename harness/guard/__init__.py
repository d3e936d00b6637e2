"""Detects faults of a session: loops, broken roles, copied, empty and cut-off turns. Also finds crisis content."""

from harness.guard.guard import Action, Guard, Verdict

__all__ = ["Action", "Guard", "Verdict"]
