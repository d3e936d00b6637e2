"""What a speaker of a session is to the loop that plays it, and what it gives for its turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.types import Event, Sampled, StopReason, Turn, View


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a speaker gave for its turn."""

    turn: Turn
    view: View
    """The view that the turn was made with."""
    events: tuple[Event, ...] = ()
    stop: StopReason | None = None
    """Why the session ends with this turn, where it does."""
    draft: int | str = 0
    """Which draft of the turn it is; each has a seed of its own."""
    sampled: Sampled | None = None
    """How a model sampled it; None for a recorded line."""


class Agent(Protocol):
    """One speaker of one session."""

    @property
    def redrafts(self) -> bool:
        """Whether it can say the same turn in other words; a recorded patient can't."""
        ...

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        """The next turn after `history`, or why there is none. Raises a `HarnessError`.

        `nudge` is the guard's direction for this turn; `attempt` counts drafts of the same turn, from 0.
        """
        ...

    def taken(self, said: Utterance) -> None:
        """Of all its drafts this one became the turn: it goes on as if it had made no other."""
        ...
