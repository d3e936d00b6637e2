"""Patients tell good therapists from others in sessions that no weights were trained on."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness.agents.appraisal import Appraisal, Listener
from harness.agents.inner_state import initial, step
from harness.audit.agreement.statistics import area
from harness.audit.written import WrittenSession, written_sessions
from harness.paths import persona_dir
from harness.personas.library import load

FOLDERS = sorted((Path(__file__).parents[2] / "examples" / "held_out").iterdir())
SESSIONS = [session for folder in FOLDERS for session in written_sessions(folder)]


@cache
def appraisals(session: WrittenSession) -> list[Appraisal]:
    persona = load([session.persona], [persona_dir()])[0]
    listener = Listener(persona.language, persona.conceptualization.core_beliefs)
    return [listener.hear(heard, said) for heard, said in zip(session.patient, session.therapist, strict=True)]


@cache
def gained(session: WrittenSession) -> float:
    """Change of trust per exchange, with the patient's lines as written."""
    persona = load([session.persona], [persona_dir()])[0]
    state = begun = initial(persona)
    for appraisal in appraisals(session):
        state = step(state, appraisal, persona)
    return (state.trust - begun.trust) / len(session.patient)


def ranks(sessions: Iterable[WrittenSession], *others: str) -> float:
    """AUC of good sessions against those of other qualities, by trust."""
    compared = [session for session in sessions if session.quality in ("good", *others)]
    good = np.array([session.quality == "good" for session in compared])
    return area(good, np.array([gained(session) for session in compared]))


def test_good_sessions_gain_more_trust_than_all_others() -> None:
    assert ranks(SESSIONS, "mediocre", "poor", "fault") >= 0.85


@pytest.mark.parametrize(("quality", "least"), [("mediocre", 0.86), ("poor", 0.92), ("fault", 0.77)])
def test_good_sessions_gain_more_trust_than_those_of_one_quality(quality: str, least: float) -> None:
    assert ranks(SESSIONS, quality) >= least


def test_hardly_any_turn_of_a_good_therapist_hurts() -> None:
    heard = [one for session in SESSIONS if session.quality == "good" for one in appraisals(session)]
    assert len(heard) > 700
    assert sum(one.harmed > 0 for one in heard) <= 0.003 * len(heard)
    assert sum(one.misunderstood >= 0.4 for one in heard) <= 0.05 * len(heard)
