"""Notices when a session goes bad: loops, broken roles, copied, empty and cut-off turns, crisis content."""

from harness.guard.guard import Action, Guard, Verdict

__all__ = ["Action", "Guard", "Verdict"]
