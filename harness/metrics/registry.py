"""What a metric is called and how it is shown, registered where it is measured: our headlines and those of plug-ins.

Invariant: only what is a fault or a cost for an engineer has a wanted direction. How a therapist should talk, and what
a simulated patient feels, have none.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite
from typing import Any, Literal, TypeVar

from harness.config.plugins import METRICS
from harness.errors import ConfigError, first_line
from harness.types import Event, Speaker, StopReason, Turn

log = logging.getLogger(__name__)
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class SessionData:
    """A session that is over, as a metric sees it."""

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
    """One number of a session, for people."""

    name: str
    """As in the metrics of a session, with dots."""
    label: str
    group: str
    share: bool = False
    """In [0, 1]; shown in percent, its differences in percentage points."""
    least: float = 0.0
    """The least value possible, for what is no share."""
    wanted: Better | None = None
    says: str = ""
    """A difference as a sentence of {a}, {by} and {b}, where {by} reads as `3 turns more`."""
    unit: str = ""
    more: str = "more"
    less: str = "less"
    measure: Measure | None = None
    """Of a plug-in's; ours are measured together."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value possible."""
        return (0.0, 1.0) if self.share else (self.least, inf)


F = TypeVar("F", bound=Measure)
G = TypeVar("G", bound=Callable[..., object])


def metric(
    name: str, *, label: str, unit: str = "", better: Better | None = None, share: bool = False
) -> Callable[[F], F]:
    """Register a function of a `SessionData` that gives a number, or None where there is nothing to measure.

    `name` is its place among the metrics of a session, with at least one dot, as `therapist.apologies`.
    """

    def register(measure: F) -> F:
        if "." not in name:
            raise ConfigError(f"plugin {measure.__module__}: metric {name!r}: expected a dot, as therapist.{name}")
        if better not in (None, "higher", "lower"):
            raise ConfigError(f"plugin {measure.__module__}: metric {name}: better: expected higher or lower")
        says = f"{label}: {{by}} with {{a}} than with {{b}}"
        own = Metric(name, label, "Plug-ins", share, -inf, better, says, unit, "higher", "lower", measure)
        METRICS.add(name, own, measure)
        return measure

    return register


def headline(
    name: str,
    *,
    label: str,
    group: str,
    says: str,
    share: bool = False,
    least: float = 0.0,
    better: Better | None = None,
    unit: str = "",
    more: str = "more",
    less: str = "less",
) -> Callable[[G], G]:
    """Register a number that the function measures, perhaps with others; `config/plugins.py` says which come first."""

    def register(measure: G) -> G:
        METRICS.add(name, Metric(name, label, group, share, least, better, says, unit, more, less), measure)
        return measure

    return register


def add_own(metrics: dict[str, Any], data: SessionData) -> None:
    """Put the values of all registered metrics among ours. One that fails, or gives no number, leaves its value out."""
    for own in METRICS.added().values():
        try:
            value = own.measure(data)
        except Exception as error:  # a plug-in's mistake costs its own number, never a finished session
            log.warning("metric %s: %s: %s", own.name, type(error).__name__, first_line(error))
            continue
        if isinstance(value, int | float) and isfinite(value):
            _put(metrics, own.name.split("."), float(value))


def _put(tree: dict[str, Any], path: Sequence[str], value: float) -> None:
    *sections, leaf = path
    for section in sections:
        below = tree.setdefault(section, {})
        if not isinstance(below, dict):
            return
        tree = below
    tree.setdefault(leaf, value)
