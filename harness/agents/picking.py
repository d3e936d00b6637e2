"""Whether a therapist listens, or picks a word out of each turn of the patient's and puts it into a sentence that fits anybody.

One turn doesn't show it: good listeners take up a single word in a quarter of their turns, and none in half of them. It shows
over turns, since picking needs nothing but the last turn: it never brings two things together, and never does without a word.
"""

from harness.agents.listener import Uptake

SPARED = 2
"""Turns that may pick a single word before it shows."""
WEARS = 0.5
"""What each further one is worth beside the one before."""
BROUGHT_TOGETHER, DONE_WITHOUT = 2, 1
"""Such turns that one makes up for which brings two of the patient's things together, or reflects without a word of theirs."""
REFLECTS = 0.5
"""Chance from which a turn is taken for a reflection."""
MATTER = 3
"""Telling words that the patient must have said for a turn to do without them."""
COPIED = 0.5
"""Share of parroting from which nothing is brought together."""


class Picking:
    """What one patient has noticed of it so far."""

    def __init__(self) -> None:
        self._picked = 0

    def worth(self, uptake: Uptake, reflected: float) -> float:
        """What the next turn's taking up is worth, from 0 to 1; `reflected` is the chance that it is a reflection."""
        if uptake.joined and uptake.parroted < COPIED:
            self._picked = max(0, self._picked - BROUGHT_TOGETHER)
        elif uptake.words == 1:
            self._picked += 1
        elif not (uptake.words or uptake.strange or uptake.same) and uptake.matter >= MATTER and reflected >= REFLECTS:
            self._picked = max(0, self._picked - DONE_WITHOUT)
        return float(WEARS ** max(0, self._picked - SPARED))
