"""A fixed piece of pure Python, as a unit of CPU time on the machine at hand.

Machines differ by a factor of 2.5, and one machine varies by up to a half from hour to hour. So a benchmark runs this
between the parts of what it measures, in the same process, and gives its own figure as a multiple of this one.
The work resembles that of the harness: words are split, counted in dicts, joined, sorted and looked up.
"""

import time
from collections.abc import Callable
from itertools import pairwise

TEXT = (
    "I don't know how that is supposed to help me. My sister called on Tuesday and I could not pick up, I sat there "
    "and waited until it stopped. At work they laugh when I come in. You say slow down, but it does not feel slow."
)
ROUNDS = 34
"""So that one call takes about half a millisecond."""


def work() -> int:
    """Do the fixed work; the result is of no use."""
    total = 0
    for number in range(ROUNDS):
        words = TEXT.lower().split()
        counts: dict[tuple[str, str], int] = {}
        for pair in pairwise(words):
            counts[pair] = counts.get(pair, 0) + 1
        lines = [" ".join(words[start : start + 5]) for start in range(number % 5, len(words), 5)]
        total += sum(len(line) for line in sorted(lines) if line.endswith(("me.", "slow.")) or line in TEXT)
        total += max(counts.values())
    return total


class Reference:
    """Runs the work and adds up its time, so that a benchmark can subtract it."""

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self.calls = 0
        self.seconds = 0.0

    def run(self) -> None:
        """Run the work once; by default the CPU time of this thread is counted."""
        began = self._clock()
        work()
        self.seconds += self._clock() - began
        self.calls += 1

    @property
    def ms(self) -> float:
        """CPU milliseconds of one call, on average."""
        return 1000 * self.seconds / self.calls
