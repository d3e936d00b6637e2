"""Measures that agree poorly with human coders; comparisons mark them.

Their F1 per turn on written sessions that were left out of training is below 0.5. docs/metrics.md has the numbers and
the method.
"""

POOR = frozenset(
    f"therapist.{name}"
    for name in (
        "affirmation_rate",
        "validation_rate",
        "confrontation_rate",
        "information_rate",
        "self_disclosure_rate",
        "permission_share",
    )
)
"""Names of metrics, with dots."""
