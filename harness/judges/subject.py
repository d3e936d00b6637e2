"""What is judged: one session (or one course) as numbered turns, with what is known about it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.types import Speaker


@dataclass(frozen=True)
class Said:
    """One turn as a judge is shown it."""

    index: int
    """Its number in the session."""
    speaker: Speaker
    text: str
    session: int = 1
    """Number of its session in a course, from 1."""


@dataclass(frozen=True)
class Subject:
    """A session or a course to be judged."""

    session_id: str
    persona_id: str
    turns: tuple[Said, ...]
    persona: str | None = None
    """The persona as text, for rubrics that show it; None if it is not available."""
    seed: int = 0
    course: str | None = None
    risk_expressed: bool | None = None
    """Whether the patient expressed risk, according to the run; None if unknown."""
    only_turns: frozenset[int] | None = None
    """Of a control: items about turns are asked only for these; None for all turns."""
    only_items: frozenset[tuple[str, str]] | None = None
    """Of a control: only these (rubric, item) pairs are asked; None for all items."""

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the transcript and the persona as shown."""
        digest = hashlib.sha256()
        for said in self.turns:
            digest.update(
                f"{said.session}\x1f{said.index}\x1f{said.speaker}\x1f{said.text}\x1e".encode(errors="replace")
            )
        digest.update((self.persona or "").encode(errors="replace"))
        return digest.hexdigest()

    def asks(self, rubric: str, item: str) -> bool:
        return self.only_items is None or (rubric, item) in self.only_items


def turns_of(texts: Sequence[tuple[Speaker, str]]) -> tuple[Said, ...]:
    """Turns numbered from 0."""
    return tuple(Said(index, speaker, text) for index, (speaker, text) in enumerate(texts))
