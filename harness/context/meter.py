"""Counts the cost of one session's requests by purpose, at the place where they are sent.

Invariant: every answer of an engine is counted once, whether or not it was used.
"""

from collections.abc import Mapping

from harness.types import NOTHING, Purpose, RequestUsage, Turn


class Meter:
    """The cost of one session's requests since the last `take`."""

    def __init__(self) -> None:
        self._spent: dict[Purpose, RequestUsage] = {}

    def add(self, purpose: Purpose, usage: RequestUsage) -> None:
        """Add the cost of requests of one purpose."""
        if usage.requests:
            self._spent[purpose] = self._spent.get(purpose, NOTHING) + usage

    def take(self, kept: Turn | None = None) -> Mapping[Purpose, RequestUsage]:
        """Return and reset the counts. The draft that was `kept` counts as the turn, the others as rejected drafts."""
        spent, self._spent = self._spent, {}
        drafts = spent.pop(Purpose.TURN, NOTHING)
        if kept is not None and drafts.requests:
            own = RequestUsage(1, kept.prompt_tokens, kept.cached_tokens or 0, kept.completion_tokens)
            spent[Purpose.TURN], drafts = own, drafts - own
        if drafts.requests:
            spent[Purpose.REJECTED_DRAFT] = drafts
        return spent
