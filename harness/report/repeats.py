"""The share of each turn's word 4-grams that its speaker said before: `repetition` of docs/metrics.md, turn by turn."""

import re
from collections.abc import Iterator, Sequence

from harness.metrics.aggregate import Spread
from harness.types import Speaker, Turn

RUN = 4
_WORD = re.compile(r"\w+(?:['’]\w+)?")


def repeats(turns: Sequence[Turn], speaker: Speaker) -> Iterator[tuple[int, float]]:
    """(index, share) for each turn of a speaker with at least one 4-gram, except the first such turn."""
    said: set[tuple[str, ...]] = set()
    for turn in turns:
        if turn.speaker is not speaker:
            continue
        words = _WORD.findall(turn.text.lower())
        runs = [tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)]
        if runs and said:
            yield turn.index, sum(run in said for run in runs) / len(runs)
        said.update(runs)


class Repeats:
    """Means over sessions by exchange; bounded by `MOST_SESSIONS` sessions and `MOST_EXCHANGES` exchanges."""

    MOST_SESSIONS = 200
    MOST_EXCHANGES = 300

    def __init__(self) -> None:
        self.sessions = 0
        self._spreads: dict[Speaker, dict[int, Spread]] = {speaker: {} for speaker in Speaker}

    def add(self, turns: Sequence[Turn]) -> None:
        """Add a session, up to `MOST_SESSIONS`."""
        if self.sessions >= self.MOST_SESSIONS:
            return
        self.sessions += 1
        for speaker, spreads in self._spreads.items():
            for index, value in repeats(turns, speaker):
                exchange = index // 2 + 1
                if exchange <= self.MOST_EXCHANGES:
                    spreads.setdefault(exchange, Spread()).add(value)

    def means(self, speaker: Speaker) -> list[tuple[float, float]]:
        """(exchange, mean share), exchanges from 1."""
        return [(float(exchange), spread.mean) for exchange, spread in sorted(self._spreads[speaker].items())]
