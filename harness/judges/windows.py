"""Splits a long transcript into windows.

Invariants:
- A turn is shown whole or not at all. A turn that does not fit alone is listed, and no window extends across it.
- Every turn that fits is in at least one window, and neighbouring windows share two exchanges if these fit.
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
    """The place after the last turn."""

    def __contains__(self, place: int) -> bool:
        return self.first <= place < self.end


@dataclass(frozen=True, slots=True)
class Split:
    """A transcript in windows."""

    windows: tuple[Window, ...]
    too_long: tuple[int, ...]
    """Places of turns that fit no window."""


def split(costs: Sequence[int], room: int, overlap: int = OVERLAP) -> Split:
    """Split turns of `costs` tokens into windows of at most `room` tokens; one window if all fit."""
    too_long = tuple(place for place, cost in enumerate(costs) if cost > room)
    windows: list[Window] = []
    start = 0
    for border in (*too_long, len(costs)):
        windows += _run(costs, start, border, room, overlap)
        start = border + 1
    return Split(tuple(windows), too_long)


def _run(costs: Sequence[int], start: int, stop: int, room: int, overlap: int) -> list[Window]:
    """The windows of the turns from `start` to `stop`, each of which fits alone."""
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
    """Where the window after `first`..`end` begins: as early as the overlap allows if turn `end` still fits."""
    begin, used = end, costs[end]
    while begin - 1 > first and begin > end - overlap and used + costs[begin - 1] <= room:
        begin -= 1
        used += costs[begin]
    return begin
