"""The controls of a judging run: short clean sessions, and what is made of them, judged as if they were any others.

Invariants:
- A judge is shown nothing that tells a control from a session.
- A planted pair differs by one turn, or by how every turn of one speaker opens; its other members
  differ from one of the two by an edit that should not matter.
- The same rubrics and number of controls give the same controls, so that their answers are found again in the cache.
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
"""Length of a control: enough for a judge to read into it, short enough to be cheap."""
PLACES = (0.15, 0.5, 0.85)
"""Where faults are planted: start, middle, end."""
_HIDDEN = "{hidden_layer}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two subjects of which an item should be answered differently, and edits of them that should change nothing."""

    rubric: str
    item: str
    clean: str
    """Session id of the clean control."""
    faulty: str
    clean_value: float | None
    """The right values, where they are known; None asks only that the faulty one is lower."""
    faulty_value: float | None
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Kind of edit to (session id of the unedited control, of the edited one)."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What is judged to know how far the judge can be believed."""

    subjects: tuple[Subject, ...]
    pairs: tuple[Pair, ...]
    sessions: int
    """Clean sessions that they were made of."""


def choose(sessions: Iterable[WrittenSession]) -> list[WrittenSession]:
    """Good sessions in which no risk was voiced and nothing went wrong, the shortest first."""
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
    """Controls for every item that has some, from so many clean sessions each."""
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
    """How well the author found a session in this; 0 where there is no label."""
    chosen = item.answer(session.answer(rubric.id, item.id) or "")
    return chosen.value if chosen is not None else 0.0


def is_scale(rubric: Rubric, item: Item) -> bool:
    """Whether an item grades the therapist's skill, so that a session without any must score lower."""
    return (
        not item.planted
        and rubric.target == "therapist"
        and rubric.unit_of(item) == "session"
        and len(item.answers) > 2
        and item.answers[0].value == min(answer.value for answer in item.answers)
    )


class _Maker:
    def __init__(self, personas: Mapping[str, Persona], *, edited: int) -> None:
        """Of the first `edited` sessions of an item, edits are made, too."""
        self._personas = personas
        self._edited = edited
        self.subjects: dict[str, Subject] = {}
        self.pairs: list[Pair] = []

    def plant(self, rubric: Rubric, item: Item, session: WrittenSession, at: int, variety: int) -> None:
        """A pair that differs by what is planted, in the beginning of a session."""
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
        """A whole session beside the same without any skill, and beside the same with its speakers swapped."""
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
        """The id of a control; items that need the same one share it."""
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
    """The planted text; None where it takes a persona that is not at hand."""
    if _HIDDEN not in plant.text:
        return plant.text
    return plant.text.replace(_HIDDEN, persona.disclosure[-1].content) if persona is not None else None
