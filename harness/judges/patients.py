"""The verdict on simulated patients with what judges found besides the rules: items of the rubric `patient-fidelity`.

Invariants:
- sessions.jsonl keeps the verdict by rules; what judges add is derived from scores.jsonl anew, so judging again takes it back.
- A judge says yes where most of its answers do (repeats and orders); a fault counts where most judges that answered say yes.
- Only answers count for which their judge is certified: nothing is concluded from the others.
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
    """What judges said of the patients of one run."""

    def __init__(self, folder: Path, judge: str | None = None) -> None:
        """`judge`: only of this one. Raises `StorageError` where scores.jsonl or certificate.json is damaged."""
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
        """Whether a judge that is certified for it answered any of the items."""

    def metrics(self, session: SessionRecord) -> Mapping[str, Any]:
        """The session's metrics, with the verdict of rules and judges; as they are where no judge found a fault."""
        found = self._found.get(session.session_id)
        if not found or "patient_verdict" not in session.metrics:
            return session.metrics
        own = sum(turn.speaker is Speaker.PATIENT for turn in session.turns)
        return {**session.metrics, **judged(session.metrics, found, own)}


def _turns(scores: list[Score]) -> dict[int, str]:
    """The turns that speak for a fault, each with the judge that quoted it; empty where most judges say there is none."""
    by_judge: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        by_judge[score.judge].append(score)
    yes = {name: said for name, given in by_judge.items() if 2 * len(said := _yes(given)) > len(given)}
    if 2 * len(yes) <= len(by_judge):
        return {}
    return {found.turn: name for name, said in yes.items() for score in said for found in score.evidence}


def _yes(scores: list[Score]) -> list[Score]:
    return [score for score in scores if score.answer == YES]
