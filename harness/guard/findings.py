"""The kinds of events that say what the guard found."""

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
"""In the order in which they are shown."""

FAULTS = frozenset(FINDINGS) - {"crisis"}
"""Those that speak against a session: to speak of a crisis is the patient's part."""
