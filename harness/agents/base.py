"""The interface of a speaker to the session loop, and what it returns for a turn."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from harness.errors import EngineUnavailable, HarnessError, StorageError
from harness.types import Event, Purpose, RequestUsage, Sampled, StopReason, Turn, View

T = TypeVar("T")

AGAIN = 2
"""Number of the first draft after an empty one. 0 is the first draft of a turn, 1 the guard's second draft."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A draft of a turn, with what the session records about it."""

    turn: Turn
    view: View
    """The view that the turn was generated from."""
    events: tuple[Event, ...] = ()
    stop: StopReason | None = None
    """Why the session ends with this turn; None if it goes on."""
    draft: int | str = 0
    """Which draft of the turn it is; each has its own seed."""
    sampled: Sampled | None = None
    """How a model sampled it; None for a recorded line."""
    usage: Mapping[Purpose, RequestUsage] = field(default_factory=dict)
    """Tokens of all requests for the turn, by purpose."""


class Agent(Protocol):
    """One speaker of one session."""

    @property
    def redrafts(self) -> bool:
        """Whether it can write another draft of a turn; a replayed patient can't."""
        ...

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        """The next turn after `history`, or why there is none. Raises a `HarnessError`.

        `nudge` is a direction for this turn. `attempt` is the number of the draft: 0 for the first, 1 for the guard's
        second, `AGAIN` and above after empty drafts.
        """
        ...

    def taken(self, said: Utterance) -> None:
        """Go on from this draft of the last turn and forget the others."""
        ...


async def optional(request: Awaitable[T]) -> T | HarnessError:
    """The result of a request that a turn does not depend on, or the error that it raised.

    Raises `EngineUnavailable` and `StorageError`, which concern all sessions.
    """
    try:
        return await request
    except (EngineUnavailable, StorageError):
        raise
    except HarnessError as error:
        return error
