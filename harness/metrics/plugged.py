"""Registers the metrics of plug-ins, at places that the harness itself does not use."""

from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from typing import Any, TypeVar

from harness.config.plugins import METRICS
from harness.errors import ConfigError
from harness.guard.findings import FINDINGS
from harness.metrics.registry import Better, Measure, Metric
from harness.metrics.session import KEPT, session_metrics

F = TypeVar("F", bound=Measure)


def metric(
    name: str, *, label: str, unit: str = "", better: Better | None = None, share: bool = False
) -> Callable[[F], F]:
    """Register a function that takes a `SessionData` and returns a number, or None if there is nothing to measure.

    `name` is its place in the metrics of a session, with at least one dot: `therapist.apologies`. Raises `ConfigError`
    for a name without a dot or at the place of one of ours, or for another `better` than higher, lower or None.
    """

    def register(measure: F) -> F:
        if "." not in name:
            raise ConfigError(f"plugin {measure.__module__}: metric {name!r}: expected a dot, as therapist.{name}")
        if better not in (None, "higher", "lower"):
            raise ConfigError(f"plugin {measure.__module__}: metric {name}: better: expected higher or lower")
        if _is_ours(name):
            raise ConfigError(
                f"plugin {measure.__module__}: metric {name!r}: this place is the harness's; choose another"
            )
        own = Metric(name, label, "Plug-ins", share, -inf, better, unit, measure)
        METRICS.add(name, own, measure)
        return measure

    return register


def _is_ours(name: str) -> bool:
    """Whether a name with dots is the place of something that the harness itself keeps, or lies below it."""
    place: object = _places()
    for part in name.split("."):
        if not isinstance(place, Mapping):
            return place is not None  # a section that a session may lack has room for more
        if part not in place:
            return False
        place = place[part]
    return True


@cache
def _places() -> Mapping[str, Any]:
    """The metrics of a session without turns; cached before the first plug-in adds to them."""
    metrics = session_metrics(())
    return {**metrics, **dict.fromkeys(KEPT, 0), "guard": {**metrics["guard"], **dict.fromkeys(FINDINGS, 0)}}
