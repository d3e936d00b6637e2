"""Detects a therapist who picks one word out of each patient turn and puts it into a sentence that fits anybody.

A single turn does not show it: good listeners take up one word in a quarter of their turns, and none in half of them.
Over several turns it shows: such a therapist never connects two of the patient's topics, and never reflects without
the patient's words.
"""

from harness.agents.listener import Uptake

SPARED = 2
"""Turns that may take up a single word at full credit."""
WEARS = 0.3
"""Factor on the credit for each further one."""
CONNECTED, WITHOUT_WORDS = 2, 1
"""How many such turns are forgiven for one that connects two topics, or reflects without the patient's words."""
REFLECTS = 0.5
"""Least probability of a reflection."""
MATTER = 3
"""Least number of content words in the patient's turn for a reflection without them to count."""
COPIED = 0.5
"""A turn with at least this much parroting connects nothing."""


class Picking:
    """Counts such turns in one session."""

    def __init__(self) -> None:
        self._picked = 0

    def credit(self, uptake: Uptake, reflected: float) -> float:
        """Factor in [0, 1] for what the next turn takes up; `reflected` is the probability that it is a reflection."""
        if uptake.joined and uptake.parroted < COPIED:
            self._picked = max(0, self._picked - CONNECTED)
        elif uptake.words == 1:
            self._picked += 1
        elif not (uptake.words or uptake.strange or uptake.same) and uptake.matter >= MATTER and reflected >= REFLECTS:
            self._picked = max(0, self._picked - WITHOUT_WORDS)
        return float(WEARS ** max(0, self._picked - SPARED))
