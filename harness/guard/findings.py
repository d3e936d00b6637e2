"""The kinds of events for the guard's findings."""

FINDINGS = (
    "loop",
    "repeat",
    "stutter",
    "stuck",
    "echo",
    "role_break",
    "empty",
    "cut_off",
    "language_switch",
    "crisis",
)
"""All kinds, in the order in which they are shown."""

FAULTS = frozenset(FINDINGS) - {"crisis"}
"""The kinds that are faults of a session. Crisis content is none: it is part of the patient's role."""
