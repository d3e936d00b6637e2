"""Measures how long a run takes, by phase."""

import time
from collections.abc import Mapping


class Clock:
    """Seconds of a run by phase."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._loaded: float | None = None

    def loaded(self) -> None:
        """Note that the engines of the run have started."""
        self._loaded = time.monotonic()

    def added_to(self, earlier: Mapping[str, float]) -> dict[str, float]:
        """Seconds of `load` and `run`, added to those of earlier processes that played the run."""
        now = time.monotonic()
        ready = now if self._loaded is None else self._loaded
        spent = {"load": ready - self._begun, "run": now - ready}
        return {phase: round(earlier.get(phase, 0.0) + seconds, 3) for phase, seconds in spent.items()}
