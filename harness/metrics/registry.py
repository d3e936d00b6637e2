"""Metrics that plug-ins bring: numbers of a session beside ours, shown and compared like them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
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
class OwnMetric:
    """A metric of a plug-in."""

    name: str
    measure: Measure
    label: str
    unit: str
    better: Better | None
    share: bool
    """In [0, 1]; shown in percent."""


F = TypeVar("F", bound=Measure)


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
        METRICS.add(name, OwnMetric(name, measure, label, unit, better, share), measure)
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


def own_metrics() -> Iterator[tuple[str, OwnMetric]]:
    """Name and description of each."""
    own: Mapping[str, OwnMetric] = METRICS.added()
    yield from own.items()
