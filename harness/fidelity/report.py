"""The fidelity report: patients compared with a reference, and whether they distinguish therapists."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.comparison.runs import run_folders
from harness.errors import StorageError
from harness.fidelity.discrimination import Discrimination, Pair, discriminate
from harness.fidelity.measures import PatientTurns
from harness.fidelity.reference import Reference
from harness.judges.patients import PatientVerdicts
from harness.metrics.course import trajectory
from harness.store.records import RunRecord, SessionRecord, read_record, read_sessions
from harness.types import Source, Speaker

POOR = "poor"
"""Name of the deliberately poor therapist."""


def fidelity(paths: Sequence[Path], reference: Reference) -> dict[str, Any]:
    """The report on the patients of these runs and sweeps. Raises `StorageError` if there is no finished session."""
    turns = PatientTurns()
    verdicts: Counter[str] = Counter()
    gains: dict[bool, defaultdict[Pair, list[float]]] = {poor: defaultdict(list) for poor in (True, False)}
    folders = dict.fromkeys(folder.resolve() for path in paths for folder in run_folders(path))
    for folder in [
        folder for folder in folders if (folder / "run.json").exists()
    ]:  # a sweep may have points that have not started
        poor = _therapist(folder) == POOR
        patients = PatientVerdicts(folder)
        for session in _sessions(folder):
            metrics = patients.metrics(session)
            add(turns, session, metrics)
            verdicts.update([metrics["patient_verdict"]] if metrics.get("patient_verdict") else [])
            if (gain := _gain(session)) is not None:
                gains[poor][session.persona_id, session.seed].append(gain)
    if not turns.sessions:
        raise StorageError(f"{', '.join(map(str, paths))}: no finished session; nothing to measure")
    return {
        **laid_beside(turns, reference),
        "patient_verdicts": dict(sorted(verdicts.items())),
        "discrimination": _as_dict(discriminate(_means(gains[False]), _means(gains[True]))),
    }


def laid_beside(turns: PatientTurns, reference: Reference) -> dict[str, Any]:
    """The measures of the turns, those of the reference, and the comparison of both."""
    return {
        "patients": turns.measured(),
        "reference": {"name": reference.name, "about": reference.about, **reference.measures},
        "beside_reference": beside(turns, reference),
    }


def is_simulated(record: RunRecord) -> bool:
    """Whether the patients of a run are simulated: imported and replayed ones may be people."""
    patient = record.config.get("patient")
    replayed = isinstance(patient, Mapping) and patient.get("kind") == "replay"
    return record.source is not Source.IMPORTED and not replayed


def add(turns: PatientTurns, session: SessionRecord, metrics: Mapping[str, Any]) -> None:
    """Add a session to `turns`; `metrics` are those of the session, with the faults that judges found in its patient."""
    own = [turn for turn in session.turns if turn.speaker is Speaker.PATIENT]
    turns.add(
        [turn.text for turn in own],
        session.persona_id,
        str(session.stop_reason),
        [turn.patient_state for turn in own if turn.patient_state],
        metrics.get("patient_faults") or (),
    )


def beside(turns: PatientTurns, reference: Reference) -> dict[str, Any]:
    """Distances between the turn lengths, and for each measure whether its median is within the reference's p10 to p90."""
    measured = turns.measured()["measures"]
    within = {}
    for name, other in reference.measures.get("measures", {}).items():
        own = measured.get(name)
        if own is not None and other is not None:
            within[name] = {
                "median": own["median"],
                "reference_median": other["median"],
                "reference_p10_p90": [other["p10"], other["p90"]],
                "within": other["p10"] <= own["median"] <= other["p90"],
            }
    return {
        "wasserstein_words": reference.distance(turns.lengths),
        "variance_ratio": reference.variance_ratio(turns.lengths),
        "measures": within,
    }


def _means(gains: Mapping[Pair, Sequence[float]]) -> dict[Pair, float]:
    """The mean for each persona and seed: several therapists other than the poor one are one good one."""
    return {pair: fmean(found) for pair, found in gains.items()}


def _as_dict(found: Discrimination | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "parted": found.parted}


def _therapist(folder: Path) -> str:
    role = read_record(folder).config.get("therapist")
    return str(role.get("name")) if isinstance(role, Mapping) else ""


def _sessions(folder: Path) -> Iterator[SessionRecord]:
    path = folder / "sessions.jsonl"
    return read_sessions(path) if path.exists() else iter(())


def _gain(session: SessionRecord) -> float | None:
    """The change of trust from the first patient turn to the last; None without two states."""
    trust = trajectory([turn.patient_state for turn in session.turns if turn.patient_state], "trust")
    return trust[-1] - trust[0] if len(trust) > 1 else None
