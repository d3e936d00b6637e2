"""What the patient hears of its own words: read back from an earlier turn, sentence by sentence."""

import pytest

from harness.agents.cues import read
from harness.agents.listener import Memory


@pytest.mark.parametrize(
    ("text", "parroted"),
    [("Bus broke down.", 1.0), ("Good. Bus broke down.", 1.0), ("Down. Bus broke.", 0.0), ("Trains were late.", 0.0)],
)
def test_runs_of_an_earlier_turn_are_looked_up_within_each_sentence(text: str, parroted: float) -> None:
    memory = Memory()
    memory.say("bus broke down")
    memory.hear(read("And then?"))
    memory.say("nobody came")
    assert memory.hear(read(text)).parroted == parroted
