"""The guard takes any text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.guard import GuardConfig
from harness.guard import Guard
from tests.sessions import dialogue


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(max_size=300) | st.sampled_from(["", "😢😢", "שלום, מה שלומך?", "مرحبا", "a " * 400]), max_size=12)
)
def test_no_text_makes_it_raise(texts: list[str]) -> None:
    guard = Guard(GuardConfig())
    for turn in dialogue(texts):
        drafted, observed = guard.judge(turn), guard.observe(turn)
        assert observed.events[: len(drafted.events)] == drafted.events
