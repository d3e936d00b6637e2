"""The verdict on simulated patients, by rules and by judges (items of the rubric `patient-fidelity`).

Invariants:
- sessions.jsonl keeps the verdict by rules. The judges' part is derived from scores.jsonl each time, so judging again
  replaces it.
- A judge says yes if most of its answers do (repeats and orders). A fault counts if most judges that answered say yes.
- Only answers count for which their judge is certified.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.agents.verdict import JUDGED, judged
from harness.judges.records import Score, read_certificate, read_scores
from harness.judges.status import Status
from harness.store.records import SessionRecord
from harness.types import Speaker

RUBRIC = "patient-fidelity"
YES = "yes"


class PatientVerdicts:
    """The verdicts on the patients of one run."""

    def __init__(self, folder: Path, judge: str | None = None) -> None:
        """With `judge`, only its scores are used. Raises `StorageError` if a file can't be read."""
        certificate = read_certificate(folder)
        scores: dict[str, dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
        for score in read_scores(folder):
            answered = score.rubric == RUBRIC and score.item in JUDGED and score.status is Status.OK
            if not answered or judge not in (None, score.judge):
                continue
            if certificate.certified(score.judge, score.rubric, score.item):
                scores[score.session_id][score.item].append(score)
        self._found = {
            session: {item: turns for item, given in items.items() if (turns := _turns(given))}
            for session, items in scores.items()
        }
        self.asked = bool(scores)
        """Whether a judge answered one of the items and is certified for it."""

    def metrics(self, session: SessionRecord) -> Mapping[str, Any]:
        """The session's metrics with the verdict of rules and judges; unchanged if no judge found a fault."""
        found = self._found.get(session.session_id)
        if not found or "patient_verdict" not in session.metrics:
            return session.metrics
        own = sum(turn.speaker is Speaker.PATIENT for turn in session.turns)
        return {**session.metrics, **judged(session.metrics, found, own)}


def _turns(scores: list[Score]) -> dict[int, str]:
    """The turns quoted for a fault, each with the judge that quoted it; empty unless most judges found the fault."""
    by_judge: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        by_judge[score.judge].append(score)
    yes = {name: said for name, given in by_judge.items() if 2 * len(said := _yes(given)) > len(given)}
    if 2 * len(yes) <= len(by_judge):
        return {}
    return {found.turn: name for name, said in yes.items() for score in said for found in score.evidence}


def _yes(scores: list[Score]) -> list[Score]:
    return [score for score in scores if score.answer == YES]
