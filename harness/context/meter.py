"""Counts what the requests of one session cost, by purpose, where they are sent.

Invariant: every answer that an engine gave is counted once, whatever became of it.
"""

from collections.abc import Mapping

from harness.types import NOTHING, Purpose, RequestUsage, Turn


class Meter:
    """One session's count since it was last taken."""

    def __init__(self) -> None:
        self._spent: dict[Purpose, RequestUsage] = {}

    def add(self, purpose: Purpose, usage: RequestUsage) -> None:
        """Count answers to requests of one purpose."""
        if usage.requests:
            self._spent[purpose] = self._spent.get(purpose, NOTHING) + usage

    def take(self, kept: Turn | None = None) -> Mapping[Purpose, RequestUsage]:
        """What was counted since the last time. The draft that was `kept` counts as the turn, the others as rejected drafts."""
        spent, self._spent = self._spent, {}
        drafts = spent.pop(Purpose.TURN, NOTHING)
        if kept is not None and drafts.requests:
            own = RequestUsage(1, kept.prompt_tokens, kept.cached_tokens or 0, kept.completion_tokens)
            spent[Purpose.TURN], drafts = own, drafts - own
        if drafts.requests:
            spent[Purpose.REJECTED_DRAFT] = drafts
        return spent
