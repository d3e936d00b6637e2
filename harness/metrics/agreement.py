"""Which measures agree poorly with people who coded the same turns: marked wherever they are compared.

F1 per turn on written sessions that were left out of training, below 0.5. docs/metrics.md has the numbers, and how they
were measured.
"""

POOR = frozenset(
    f"therapist.{name}"
    for name in (
        "affirmation_rate",
        "validation_rate",
        "confrontation_rate",
        "information_rate",
        "self_disclosure_rate",
        "complex_share",
        "permission_share",
    )
)
"""Names as in the metrics of a session, with dots."""
