"""The name of each metric and how it is shown, registered where it is measured: our headlines and metrics of plug-ins.

Invariant: only faults and costs have a wanted direction. How a therapist talks and what a simulated patient feels have
none.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isnan
from numbers import Real
from typing import Any, Literal, TypeVar

from harness.config.plugins import METRICS
from harness.errors import first_line
from harness.types import Event, Speaker, StopReason, Turn

log = logging.getLogger(__name__)
Better = Literal["higher", "lower"]
MOST = 1e15
"""Numbers in run folders are smaller."""


@dataclass(frozen=True)
class SessionData:
    """A finished session, as a metric gets it."""

    turns: Sequence[Turn]
    events: Sequence[Event]
    stop_reason: StopReason | None

    @cached_property
    def patient(self) -> tuple[Turn, ...]:
        """The patient's turns."""
        return tuple(turn for turn in self.turns if turn.speaker is Speaker.PATIENT)

    @cached_property
    def therapist(self) -> tuple[Turn, ...]:
        """The therapist's turns."""
        return tuple(turn for turn in self.turns if turn.speaker is Speaker.THERAPIST)


Measure = Callable[[SessionData], float | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """How one number of a session is shown."""

    name: str
    """Its place in the metrics of a session, with dots: `therapist.echo`."""
    label: str
    group: str
    share: bool = False
    """In [0, 1]; shown in percent, its differences in percentage points."""
    least: float = 0.0
    """The lowest possible value, if it is no share."""
    wanted: Better | None = None
    unit: str = ""
    """What stands behind a number, with its blank: ` min`."""
    measure: Measure | None = None
    """Measures a metric of a plug-in; None for ours, which are measured together."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest possible value."""
        return (0.0, 1.0) if self.share else (self.least, inf)


F = TypeVar("F", bound=Measure)
G = TypeVar("G", bound=Callable[..., object])


def headline(
    name: str,
    *,
    label: str,
    group: str,
    share: bool = False,
    least: float = 0.0,
    better: Better | None = None,
) -> Callable[[G], G]:
    """Register a main metric, one of those that the function measures; `config/plugins.py` sets their order."""

    def register(measure: G) -> G:
        own = Metric(name, label, group, share, least, better)
        METRICS.add(name, own, measure)
        return measure

    return register


def add_own(metrics: dict[str, Any], data: SessionData) -> None:
    """Add the values of plug-ins' metrics to ours. One that fails, or returns no number, is left out, and this is said."""
    for own in METRICS.added().values():
        try:
            value = _number(own.measure(data))
            if value is not None:
                _put(metrics, own.name, value)
        except (Exception, SystemExit) as error:  # an error in a plug-in must not lose a finished session
            log.warning("metric %s: %s: %s", own.name, type(error).__name__, first_line(error))


def _number(value: object) -> float | None:
    """A metric's value; None for None and NaN. Raises `TypeError`, `ValueError` or `OverflowError` for others."""
    if value is None:
        return None
    if not isinstance(value, Real):  # as numpy's numbers are, too
        raise TypeError(f"expected a number or None, found {type(value).__name__} {value!r:.40}")
    number = float(value)
    if abs(number) >= MOST:
        raise ValueError(f"expected a number below {MOST:.0e}, found {number}")
    return None if isnan(number) else number


def _put(tree: dict[str, Any], name: str, value: float) -> None:
    """Put a value at its place. Raises `TypeError` or `ValueError` if there is no room for it, as below another number."""
    *sections, leaf = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise TypeError(f"left out, since {section} holds {tree} in this session")
    if leaf in tree:
        raise ValueError(f"left out, since {leaf} holds {tree[leaf]!r:.40} already")
    tree[leaf] = value
