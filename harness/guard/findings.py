"""What the guard found in the turns that finished sessions kept.

Invariant: drafts that were sampled again don't count, and neither does `crisis`: to speak of it is the patient's part.
"""

from collections import Counter
from pathlib import Path
from typing import get_args

from harness.config.guard import GuardAction, GuardConfig
from harness.store.records import read_sessions

_ACTIONS = get_args(GuardAction)
KINDS = frozenset(
    name
    for name, field in GuardConfig.model_fields.items()
    if get_args(field.annotation) == _ACTIONS and name != "crisis"
)
"""The settings of the guard that name a finding."""


def findings(run_dir: Path) -> Counter[str]:
    """How often each kind of finding stands in a run's sessions. Raises `StorageError`."""
    return Counter(
        event.kind
        for session in read_sessions(run_dir / "sessions.jsonl")
        for event in session.events
        if event.kind in KINDS
    )
