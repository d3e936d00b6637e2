"""The controls of a judging run: short clean sessions and modified versions of them, judged like other sessions.

Invariants:
- A judge is shown nothing that distinguishes a control from a session.
- A planted pair differs in one turn, or in how every turn of one speaker opens. Edited versions differ from one of the
  two by an irrelevant edit.
- The same rubrics and number of controls give the same controls, so that recorded answers are used again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.judges.persona_text import persona_text
from harness.judges.rubric import Item, Planted, Rubric
from harness.judges.subject import Subject, turns_of
from harness.judges.written import variants
from harness.judges.written.library import WrittenSession
from harness.judges.written.variants import Kind, Turns
from harness.personas.schema import Persona
from harness.types import Speaker

EXCHANGES = 8
"""Length of a control: long enough to look like a session, short enough to be cheap."""
PLACES = (0.15, 0.5, 0.85)
"""Where faults are planted, as shares of the session: start, middle, end."""
_HIDDEN = "{hidden_layer}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sessions with different correct answers to an item, and irrelevant edits of them."""

    rubric: str
    item: str
    clean: str
    """Session id of the clean control."""
    faulty: str
    clean_value: float | None
    """The correct values, if they are known; None requires only that the faulty session scores lower."""
    faulty_value: float | None
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """For each kind of edit: (session id of the unedited control, session id of the edited one)."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls of one judging run."""

    subjects: tuple[Subject, ...]
    pairs: tuple[Pair, ...]
    sessions: int
    """The number of clean sessions from which they were made."""


def choose(sessions: Iterable[WrittenSession]) -> list[WrittenSession]:
    """Good sessions without expressed risk and without faults, the shortest first."""
    good = [
        session
        for session in sessions
        if session.quality == "good"
        and session.answer("safety-gate", "tier") in (None, "none")
        and not session.labels.get("faults")
    ]
    return sorted(good, key=lambda session: (sum(len(text) for _, text in session.turns[: 2 * EXCHANGES]), session.id))


def make(
    rubrics: Sequence[Rubric], sessions: Sequence[WrittenSession], count: int, personas: Mapping[str, Persona]
) -> Controls:
    """Controls for every item that can have any, from `count` clean sessions each."""
    maker = _Maker(personas, edited=max(2, count // 2))
    for rubric in rubrics:
        for number, item in enumerate(rubric.items):
            if item.planted:
                for at, session in enumerate(sessions[:count]):
                    maker.plant(rubric, item, session, at, at + number)
            elif is_scale(rubric, item):
                best = sorted(sessions, key=lambda session: -_level(session, rubric, item))
                for at, session in enumerate(best[:count]):
                    maker.strip(rubric, item, session, at)
    return Controls(tuple(maker.subjects.values()), tuple(maker.pairs), count)


def _level(session: WrittenSession, rubric: Rubric, item: Item) -> float:
    """The value that the author gave the session for this item; 0 without a label."""
    chosen = item.answer(session.answer(rubric.id, item.id) or "")
    return chosen.value if chosen is not None else 0.0


def is_scale(rubric: Rubric, item: Item) -> bool:
    """Whether an item is a scale of the therapist's skill: then a session without any skill must score lower."""
    return (
        not item.planted
        and rubric.target == "therapist"
        and rubric.unit_of(item) == "session"
        and len(item.answers) > 2
        and item.answers[0].value == min(answer.value for answer in item.answers)
    )


class _Maker:
    def __init__(self, personas: Mapping[str, Persona], *, edited: int) -> None:
        """For the first `edited` sessions of an item, edited versions are made, too."""
        self._personas = personas
        self._edited = edited
        self.subjects: dict[str, Subject] = {}
        self.pairs: list[Pair] = []

    def plant(self, rubric: Rubric, item: Item, session: WrittenSession, at: int, variety: int) -> None:
        """Add a pair that differs by a planted text, from the beginning of a session."""
        base = session.turns[: 2 * EXCHANGES]
        plant = item.planted[variety % len(item.planted)]
        text = _filled(plant, self._personas.get(session.persona))
        if text is None:
            return
        speaker = Speaker(plant.speaker)
        keep: tuple[int, ...] = ()
        if plant.place == "openings":
            clean, faulty = base, variants.opened(base, speaker, text)
        else:
            number = variants.place(base, speaker, PLACES[variety % len(PLACES)], first=1)
            clean, faulty = variants.planted(base, number, text, before=plant.before, instead=plant.instead)
            keep = (number, number - 1)
        value = {answer.id: answer.value for answer in item.answers}
        values = (value[plant.clean or item.answers[0].id], value[plant.answer])
        edited = at < self._edited
        self._pair(rubric, item, session, clean, faulty.turns, values, keep, edited)

    def strip(self, rubric: Rubric, item: Item, session: WrittenSession, at: int) -> None:
        """Add two pairs: a whole session and the same without any skill, and with its speakers swapped."""
        clean, nothing = session.turns, (None, None)
        edited = at < self._edited
        stripped, swapped = variants.stripped(clean).turns, variants.swapped(clean).turns
        self._pair(rubric, item, session, clean, stripped, nothing, (), edited)
        self._pair(rubric, item, session, clean, swapped, nothing, (), False)

    def _pair(
        self,
        rubric: Rubric,
        item: Item,
        session: WrittenSession,
        clean: Turns,
        faulty: Turns,
        values: tuple[float | None, float | None],
        keep: tuple[int, ...],
        edited: bool,
    ) -> None:
        def subject(turns: Turns) -> str:
            return self._subject(rubric, item, session, turns, keep)

        of_clean, of_faulty = subject(clean), subject(faulty)
        edits: dict[str, tuple[str, str]] = {}
        if edited:
            edits = {
                Kind.NEUTRAL: (of_clean, subject(variants.neutral(clean, keep).turns)),
                Kind.LONGER: (of_clean, subject(variants.longer(clean, keep).turns)),
                Kind.PRAISE: (of_faulty, subject(variants.praise(faulty, keep).turns)),
                Kind.INSTRUCTION: (of_faulty, subject(variants.instruction(faulty, keep).turns)),
            }
        self.pairs.append(Pair(rubric.id, item.id, of_clean, of_faulty, *values, edits))

    def _subject(self, rubric: Rubric, item: Item, session: WrittenSession, turns: Turns, keep: tuple[int, ...]) -> str:
        """Add a control and return its id; items that need the same control share it."""
        persona = self._personas.get(session.persona)
        made = Subject(
            session_id="",
            persona_id=session.persona,
            turns=turns_of(turns),
            persona=persona_text(persona) if persona is not None else None,
            only_turns=frozenset(keep[:1]) if rubric.unit_of(item) == "turn" else None,
            only_items=frozenset({(rubric.id, item.id)}),
        )
        session_id = f"control/{session.id}/{made.hash[:16]}"
        if made.only_turns:
            session_id += f"/{min(made.only_turns)}"
        known = self.subjects.get(session_id)
        items = (known.only_items or frozenset()) if known else frozenset()
        self.subjects[session_id] = replace(made, session_id=session_id, only_items=items | {(rubric.id, item.id)})
        return session_id


def _filled(plant: Planted, persona: Persona | None) -> str | None:
    """The planted text; None if it needs a persona that is not available."""
    if _HIDDEN not in plant.text:
        return plant.text
    return plant.text.replace(_HIDDEN, persona.disclosure[-1].content) if persona is not None else None
