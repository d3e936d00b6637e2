"""What an engine reports while it waits, so that a session can journal it and a display can show it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retried:
    """One request is sent again after a failure of its own."""

    request_id: str
    reason: str
    attempt: int
    """1 for the first attempt that failed."""
    wait_s: float


@dataclass(frozen=True, slots=True)
class Paused:
    """The engine can't be reached: all its requests wait. Sent again with every probe, for a countdown."""

    engine: str
    reason: str
    next_probe_s: float
    gives_up_s: float
    """Seconds left until the engine raises `EngineUnavailable`."""
    probes: int
    """How many failed since the engine went away; 0 when it has just done so."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The engine answers again."""

    engine: str
    paused_s: float


@dataclass(frozen=True, slots=True)
class Restarted:
    """A dead engine is being started again."""

    engine: str
    reason: str
    number: int
    """1 for the first restart of this run."""
    allowed: int


@dataclass(frozen=True, slots=True)
class Learned:
    """A server was found to take other parameters than those that were sent; from now on it gets what it takes."""

    engine: str
    what: str
    reason: str
    """The server's own words."""


Notice = Retried | Paused | Resumed | Restarted | Learned
Listener = Callable[[Notice], None]


def ignore(notice: Notice) -> None:
    """The listener of a caller that does not want to know."""
