"""What a speaker of a session is to the loop that plays it, and what it gives for its turn."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from harness.errors import EngineUnavailable, HarnessError, StorageError
from harness.types import Event, Purpose, RequestUsage, Sampled, StopReason, Turn, View

T = TypeVar("T")

AGAIN = 2
"""The number of the first draft that is asked for because those before it said nothing; 1 is the guard's."""


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
    usage: Mapping[Purpose, RequestUsage] = field(default_factory=dict)
    """What the turn cost, all that was asked on the way to it included."""


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

        `nudge` is a direction for this turn; `attempt` is the number of the draft: 0 for the first, 1 for the guard's
        second, from `AGAIN` on for those after drafts that said nothing.
        """
        ...

    def taken(self, said: Utterance) -> None:
        """Commit this draft; discard the others' effects."""
        ...


async def optional(request: Awaitable[T]) -> T | HarnessError:
    """What a request brings that a turn can do without, or what went wrong with it.

    Raises what concerns all sessions: `EngineUnavailable`, `StorageError`.
    """
    try:
        return await request
    except (EngineUnavailable, StorageError):
        raise
    except HarnessError as error:
        return error
