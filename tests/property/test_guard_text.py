"""Text is cut up the same way whatever it holds, and the guard takes any of it."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.agents.unanswered import PROTESTS
from harness.config.guard import GuardConfig
from harness.guard import Guard, crisis_patterns, roles
from harness.guard.features import SAFETY
from harness.guard.patterns import Hinted, Hints, matches
from harness.metrics.retention import HINTS, NUMBERS, PLAN, TIMES
from harness.text import words as text
from tests.sessions import dialogue

any_texts = st.lists(
    st.text(max_size=300) | st.sampled_from(["", "😢😢", "שלום, מה שלומך?", "مرحبا", "a " * 400, "Why? So. Do\nyou?"]),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(any_texts)
def test_no_text_makes_it_raise(texts: list[str]) -> None:
    guard = Guard(GuardConfig(mends="both"))
    for turn in dialogue(texts):
        drafted, observed = guard.judge(turn), guard.observe(turn)
        assert observed.events[: len(drafted.events)] == drafted.events


@settings(deadline=None)
@given(any_texts)
def test_what_the_guard_keeps_of_its_turns_is_what_they_were_cut_into(texts: list[str]) -> None:
    guard, turns = Guard(GuardConfig(mends="both")), dialogue(texts)
    for turn in turns:
        guard.observe(turn)
    assert guard.said(turn.speaker for turn in turns) == [text.parse(turn.text).said for turn in turns]


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_is_cut_up_as_any_other_text(said: str) -> None:
    """The letter beside it has the text cut up by the rules for all alphabets."""
    (ascii_words, ascii_sentences), ascii_clauses = text.parse(said)
    (words, sentences), clauses = text.parse(f"{said}\n\u00e9")
    assert words == (*ascii_words, "\u00e9")
    assert sentences[:-1] == ascii_sentences
    assert clauses[:-1] == ascii_clauses
    assert text.words(said) == text.words(f"{said}\n\u00e9")[:-1]


TONES = [Hinted((hint,), expression) for hint, expression in roles.HELPER_TONES.items()]


ROLES = [roles.MACHINE, roles.LEAK, roles.HELPER, roles.CLIENT, *TONES]
CRISIS = [
    *(pattern for levels in crisis_patterns.BY_LANGUAGE.values() for pattern in levels.values()),
    *(crisis_patterns.FIGURES, crisis_patterns.OTHERS, crisis_patterns.ASKED),
]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("pattern", [*ROLES, *CRISIS, SAFETY, PLAN, PROTESTS])
@given(data=st.data())
def test_whatever_a_pattern_matches_holds_one_of_its_hints(pattern: Hinted, data: st.DataObject) -> None:
    said = text.plain(data.draw(st.from_regex(pattern.expression)))
    if pattern.expression.search(said):
        assert pattern.search(said)


@pytest.mark.parametrize("expressions", [TIMES, NUMBERS])
@given(data=st.data())
def test_to_look_where_the_words_stand_finds_what_to_look_everywhere_finds(
    expressions: Mapping[str, re.Pattern[str]], data: st.DataObject
) -> None:
    everywhere = re.compile("|".join(expression.pattern for expression in expressions.values()))
    pieces = st.sampled_from([*expressions, "s", "'s", "x", " ", " ", "-", "\n", "days", "minutes"])
    said = "".join(data.draw(st.lists(pieces, max_size=12)))
    assert [m.span() for m in matches(said, expressions, HINTS.found(said))] == [
        m.span() for m in everywhere.finditer(said)
    ]


@pytest.mark.parametrize("language", crisis_patterns.BY_LANGUAGE)
@given(data=st.data())
def test_the_hints_found_by_words_are_those_that_the_text_holds(language: str, data: st.DataObject) -> None:
    levels = crisis_patterns.BY_LANGUAGE[language].values()
    hints = list(dict.fromkeys(hint for pattern in levels for hint in pattern.hints))
    pieces = st.one_of(st.sampled_from(hints), st.sampled_from(" ".join(hints).split(" ")), st.text(max_size=3))
    said = "".join(data.draw(st.lists(pieces, max_size=12)))
    assert Hints(hints).found(said) == {hint for hint in hints if hint in said}
