"""Sessions as rows of a table, and how urgently each should be reviewed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.guard.findings import FINDINGS
from harness.metrics.aggregate import numbers
from harness.metrics.usage import fullness
from harness.store.records import FailureRecord, SessionRecord
from harness.types import Speaker

GRAVE = {"role_break": 3, "loop": 3, "stuck": 2, "crisis": 2, "stutter": 1, "echo": 1, "language_switch": 1, "empty": 1}
"""Weight of a finding for review; other findings have none."""
GATE_FAILED, INVALID = 8, 4


@dataclass(frozen=True, slots=True)
class Row:
    """One session of the table."""

    session_id: str
    persona_id: str
    number: int | None
    """Number in its course; None outside a course."""
    seed: int
    stop_reason: str
    exchanges: int
    generated: int
    longest_prompt: int
    fullest: float | None
    """Largest share of a window that a prompt and the reserve for its answer took."""
    window: tuple[float, ...]
    """The same share for each turn of the therapist."""
    compactions: int
    findings: Mapping[str, int]
    numbers: Mapping[str, float]
    """Its metrics by dotted name."""
    unlocked_at: tuple[int, ...]
    told_at: tuple[int, ...]
    """Exchanges from which layers could be told (`unlocked_at`), and in which they were told."""
    gates_failed: tuple[str, ...] = ()
    """Rubrics of the gates that the session failed."""
    patient: str | None = None
    """The verdict on its simulated patient, if there is one."""

    @property
    def weight(self) -> int:
        """How urgently the session should be reviewed; 0: not at all."""
        found = sum(GRAVE.get(kind, 0) * min(3, count) for kind, count in self.findings.items())
        return found + GATE_FAILED * len(self.gates_failed) + (INVALID if self.patient == "invalid" else 0)

    @property
    def marks(self) -> tuple[str, ...]:
        """The filters that match the session."""
        judged = [f"gate-{rubric}" for rubric in self.gates_failed]
        verdict = [f"patient-{self.patient}"] if self.patient in ("invalid", "flawed") else []
        return (*self.findings, *judged, *verdict)


def row_of(
    session: SessionRecord | FailureRecord,
    gates_failed: tuple[str, ...] = (),
    metrics: Mapping[str, object] | None = None,
) -> Row:
    """The row of a session. `gates_failed` are the gate rubrics that it failed. The verdict on its
    patient is from `metrics` if given, because judges may change it. A failed session has only turns."""
    turns = session.turns
    ended = session if isinstance(session, SessionRecord) else None
    events, own = (ended.events, ended.metrics) if ended else ((), {})
    found = {(event.kind, event.turn) for event in events if event.kind in FINDINGS}
    counts = Counter(kind for kind, _ in found)
    verdict = (own if metrics is None else metrics).get("patient_verdict")
    return Row(
        session_id=session.session_id,
        persona_id=session.persona_id,
        number=None if session.course is None else session.number,
        seed=session.seed,
        stop_reason=str(ended.stop_reason) if ended else "failed",
        exchanges=sum(turn.speaker is Speaker.THERAPIST for turn in turns),
        generated=sum(turn.completion_tokens for turn in turns),
        longest_prompt=max((turn.prompt_tokens for turn in turns), default=0),
        fullest=max((fullness(turn) for turn in turns if turn.max_model_len), default=None),
        window=tuple(fullness(turn) for turn in turns if turn.speaker is Speaker.THERAPIST and turn.max_model_len),
        compactions=sum(event.kind == "compaction" for event in events),
        findings={kind: counts[kind] for kind in FINDINGS if counts[kind]},
        numbers=dict(numbers(own)),
        unlocked_at=_exchanges(own, "unlocked_at"),
        told_at=_exchanges(own, "told_at"),
        gates_failed=gates_failed,
        patient=verdict if isinstance(verdict, str) else None,
    )


def _exchanges(metrics: Mapping[str, object], name: str) -> tuple[int, ...]:
    node: object = metrics
    for key in ("course", "disclosure", name):
        node = node.get(key) if isinstance(node, Mapping) else None
    return tuple(value for value in node if isinstance(value, int)) if isinstance(node, list | tuple) else ()
