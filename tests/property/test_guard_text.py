"""Text is cut up the same way whatever it holds, and the guard takes any of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import text
from harness.config.guard import GuardConfig
from harness.guard import Guard, risk, roles
from harness.guard.hinted import Hinted
from harness.metrics.retention import NUMBER, PLAN, TIME
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


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_is_cut_up_as_any_other_text(said: str) -> None:
    """The letter beside it has the text cut up by the rules for all alphabets."""
    ascii_only, beside = text.parse(said), text.parse(f"{said}\n\u00e9")
    assert beside.words == (*ascii_only.words, "\u00e9")
    assert beside.sentences[:-1] == ascii_only.sentences
    assert text.words(said) == text.words(f"{said}\n\u00e9")[:-1]


TONES = [Hinted((hint,), expression) for hint, expression in roles.HELPER_TONES.items()]
FACTS = [TIME, NUMBER, PLAN]


@pytest.mark.parametrize(
    "pattern", [roles.MACHINE, roles.LEAK, roles.HELPER, roles.CLIENT, *TONES, *risk.LEVELS.values(), *FACTS]
)
@given(data=st.data())
def test_whatever_a_pattern_matches_holds_one_of_its_hints(pattern: Hinted, data: st.DataObject) -> None:
    said = text.plain(data.draw(st.from_regex(pattern.expression)))
    if pattern.expression.search(said) and (said.isascii() or pattern not in FACTS):
        assert pattern.search(said)
