"""The fit check: how prompts fit their windows in a run of the dry engine, by persona, before GPU hours are spent."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.store.records import SessionRecord


@dataclass(slots=True)
class Fit:
    """How the prompts of one persona's sessions fit their windows."""

    persona_id: str
    sessions: int = 0
    longest_prompt: int = 0
    """Tokens of the longest prompt of either speaker."""
    least_free: int | None = None
    """Tokens of its window that the tightest request left free, with `max_new_tokens` counted as used."""
    compactions: int = 0
    """Sum over all sessions."""
    evicted_turns: int = 0
    """Most turns that were evicted at once."""

    def add(self, session: SessionRecord) -> None:
        self.sessions += 1
        self.compactions += sum(event.kind == "compaction" for event in session.events)
        for turn in session.turns:
            self.longest_prompt = max(self.longest_prompt, turn.prompt_tokens)
            self.evicted_turns = max(self.evicted_turns, turn.evicted_turns)
            if turn.max_model_len:
                free = turn.max_model_len - turn.prompt_tokens - turn.max_new_tokens
                self.least_free = free if self.least_free is None else min(self.least_free, free)


def check_fit(sessions: Iterable[SessionRecord]) -> list[Fit]:
    """One `Fit` per persona, tightest first."""
    fits: dict[str, Fit] = {}
    for session in sessions:
        fits.setdefault(session.persona_id, Fit(session.persona_id)).add(session)
    return sorted(fits.values(), key=_tightness)


def _tightness(fit: Fit) -> tuple[bool, int, int, str]:
    """Sort key: the least known room in a window first, then the longest prompt."""
    return (fit.least_free is None, fit.least_free or 0, -fit.longest_prompt, fit.persona_id)
