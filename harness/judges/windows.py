"""Which turns of a long transcript are shown together.

Invariants:
- A turn is shown whole or not at all; what can't fit alone is named, and no window reaches across it.
- Every turn that fits is in at least one window, and neighbouring windows share two exchanges where these fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OVERLAP = 4
"""Turns: two exchanges."""


@dataclass(frozen=True, slots=True)
class Window:
    """A run of turns, by place in the transcript."""

    first: int
    end: int
    """One behind the last."""

    def __contains__(self, place: int) -> bool:
        return self.first <= place < self.end


@dataclass(frozen=True, slots=True)
class Split:
    """A transcript in windows."""

    windows: tuple[Window, ...]
    too_long: tuple[int, ...]
    """Places of turns that fit no window."""


def split(costs: Sequence[int], room: int, overlap: int = OVERLAP) -> Split:
    """Windows over turns that cost so many tokens each, in a room of so many tokens; one window where all fit."""
    too_long = tuple(place for place, cost in enumerate(costs) if cost > room)
    windows: list[Window] = []
    start = 0
    for border in (*too_long, len(costs)):
        windows += _run(costs, start, border, room, overlap)
        start = border + 1
    return Split(tuple(windows), too_long)


def _run(costs: Sequence[int], start: int, stop: int, room: int, overlap: int) -> list[Window]:
    """Windows over turns that all fit alone."""
    windows: list[Window] = []
    first = start
    while first < stop:
        end, used = first, 0
        while end < stop and used + costs[end] <= room:
            used += costs[end]
            end += 1
        windows.append(Window(first, end))
        if end == stop:
            break
        first = _next(costs, first, end, room, overlap)
    return windows


def _next(costs: Sequence[int], first: int, end: int, room: int, overlap: int) -> int:
    """Where the window after `first`..`end` begins: as far back as the overlap goes and turn `end` still fits."""
    begin, used = end, costs[end]
    while begin - 1 > first and begin > end - overlap and used + costs[begin - 1] <= room:
        begin -= 1
        used += costs[begin]
    return begin
