"""What the guard found in the turns that finished sessions kept.

Invariant: drafts that were sampled again don't count, and neither does `crisis`: to speak of it is the patient's part.
"""

from collections import Counter
from pathlib import Path

from harness.metrics.session import FINDINGS
from harness.store.records import read_sessions

KINDS = frozenset(FINDINGS) - {"crisis"}
"""Kinds of events that are findings."""


def findings(run_dir: Path) -> Counter[str]:
    """How often each kind of finding stands in a run's sessions. Raises `StorageError`."""
    return Counter(
        event.kind
        for session in read_sessions(run_dir / "sessions.jsonl")
        for event in session.events
        if event.kind in KINDS
    )
