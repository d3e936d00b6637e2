"""Notices that an engine sends while requests wait, for the journal and the display."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retried:
    """One request failed and is sent again."""

    request_id: str
    reason: str
    attempt: int
    """1 for the first attempt that failed."""
    wait_s: float


@dataclass(frozen=True, slots=True)
class Paused:
    """The engine can't be reached: all its requests wait. Sent with every probe, for a countdown."""

    engine: str
    reason: str
    next_probe_s: float
    gives_up_s: float
    """Seconds left until the engine raises `EngineUnavailable`."""
    probes: int
    """Failed probes since the engine went away; 0 in the first notice."""


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
    """A server refused a parameter; later requests are sent in the form that it accepts."""

    engine: str
    what: str
    reason: str
    """The server's own words."""


Notice = Retried | Paused | Resumed | Restarted | Learned
Listener = Callable[[Notice], None]


def ignore(notice: Notice) -> None:
    """A listener that does nothing."""
