"""The sessions and courses of a run folder as subjects, read one at a time."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from harness.guard.crisis import crisis
from harness.judges.persona_text import persona_text
from harness.judges.subject import Said, Subject
from harness.metrics.course import with_numbers
from harness.personas.schema import Persona, Risk
from harness.store.files import count_lines
from harness.store.records import SessionRecord, read_sessions
from harness.types import Speaker

_RISK_LEVELS = frozenset({"behaviour", "plan", "thoughts", "wish"})
SESSIONS = "sessions.jsonl"
BATCH = 64
"""Courses in memory together: the file is read once for so many."""


def subjects(folder: Path, personas: Mapping[str, Persona], *, courses: bool) -> Iterator[Subject]:
    """The sessions of a run in the order of its file, then its courses. Raises `StorageError`."""
    path = folder / SESSIONS
    if not path.exists():
        return
    members: Counter[str] = Counter()
    for session in read_sessions(path):
        if session.course is not None:
            members[session.course] += 1
        yield of_session(session, personas)
    whole = iter([course for course, sessions in members.items() if sessions > 1] if courses else ())
    while batch := list(islice(whole, BATCH)):
        found: dict[str | None, list[SessionRecord]] = {course: [] for course in batch}
        for session in read_sessions(path):
            if session.course in found:
                found[session.course].append(session)
        for course in batch:
            yield _of_course(course, found.pop(course), personas)


def count(folder: Path) -> int:
    """The number of finished sessions."""
    return count_lines(folder / SESSIONS)


def of_session(session: SessionRecord, personas: Mapping[str, Persona]) -> Subject:
    """One session as a judge is shown it."""
    persona = personas.get(session.persona_id)
    return Subject(
        session_id=session.session_id,
        persona_id=session.persona_id,
        turns=tuple(Said(turn.index, turn.speaker, turn.text) for turn in session.turns),
        persona=persona_text(persona) if persona else None,
        seed=session.seed,
        course=session.course,
        risk_expressed=risk_expressed(session, persona),
    )


def _of_course(course: str, sessions: list[SessionRecord], personas: Mapping[str, Persona]) -> Subject:
    """All sessions of a course as one subject; turns are numbered continuously."""
    ordered = sorted(sessions, key=lambda session: session.number)
    turns = [(session.number, turn) for session in ordered for turn in session.turns]
    persona = personas.get(ordered[0].persona_id)
    risks = [risk_expressed(session, persona) for session in ordered]
    return Subject(
        session_id=course,
        persona_id=ordered[0].persona_id,
        turns=tuple(Said(place, turn.speaker, turn.text, number) for place, (number, turn) in enumerate(turns)),
        persona=persona_text(persona) if persona else None,
        seed=ordered[0].seed,
        course=course,
        risk_expressed=True if True in risks else None if None in risks else False,
    )


def risk_expressed(session: SessionRecord, persona: Persona | None) -> bool | None:
    """Whether the patient expressed risk to their own life, as far as the run shows.

    True if the guard detected it, or if a layer that mentions it was told. False if the persona has no risk and a guard
    was on and detected none. None otherwise: unknown.
    """
    heard = [
        event
        for event in session.events
        if event.kind == "crisis" and event.speaker is Speaker.PATIENT and event.data.get("level") in _RISK_LEVELS
    ]
    if any(not event.data.get("denied") for event in heard):
        return True
    if persona is None:
        return None
    states = with_numbers((turn.patient_state for turn in session.turns), "told")
    told = int(states[-1]["told"]) if states else 0
    for layer in persona.disclosure[:told]:
        found = crisis(layer.content)
        if found is not None and found.data.get("level") in _RISK_LEVELS and not found.data.get("denied"):
            return True
    guarded = "guard" in session.metrics
    return False if persona.risk is Risk.NONE and guarded and not heard else None
