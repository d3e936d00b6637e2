"""Retention: what a patient established is found, and found again (or not) in a view."""

import pytest

from harness.metrics.retention import facts, retention
from tests.sessions import dialogue


def found(text: str, kind: str) -> list[str]:
    return [fact.text for fact in facts([text]) if fact.kind == kind]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("My sister Jelena lives in Oslo, and Mark knows.", "name", ["jelena", "oslo", "mark"]),
        ("Honestly I can't. Yes. I told Mum on Monday.", "name", []),
        ("It happened on Tuesday at 7 pm in 2019.", "time", ["tuesday", "7 pm", "2019"]),
        ("I take two pills and slept 5 hours, 12 of us.", "number", ["two pills", "5 hours", "12"]),
        ('He said "you were never wanted here" and left.', "quote", ["you were never wanted here"]),
        ("Okay. I'll call my brother before the weekend.", "plan", ["i'll call my brother before the weekend"]),
        ("I'll see. Will I call him?", "plan", []),
    ],
)
def test_what_counts_as_established(text: str, kind: str, expected: list[str]) -> None:
    assert found(text, kind) == expected


TURNS = dialogue(
    [
        "My sister Jelena found me on Tuesday. I slept 5 hours.",
        "Thank you for telling me, and greetings to Rasmus.",
        'He wrote "nobody will miss you". I\'ll show the letter to my brother.',
        "That took courage.",
    ]
)


def test_only_what_the_patient_said_is_established() -> None:
    assert "name: rasmus" not in retention(TURNS, "").lost


def test_everything_is_kept_in_the_whole_history_and_nothing_in_an_empty_view() -> None:
    whole = retention(TURNS, [turn.text for turn in TURNS])
    assert whole.share == 1.0
    assert whole.lost == ()
    nothing = retention(TURNS, [])
    assert nothing.kept == 0
    assert nothing.established == whole.established == 5


def test_a_note_that_rewords_keeps_quotes_and_plans_but_must_name_names() -> None:
    note = "Found by her sister. Was told that nobody would miss her. Wants to show her brother the letter."
    kept = retention(TURNS, note)
    assert kept.by_kind == {"name": (1, 0), "time": (1, 0), "number": (1, 0), "quote": (1, 1), "plan": (1, 1)}


def test_a_word_within_a_word_is_not_kept() -> None:
    turns = dialogue(["I met Ann there, with Mark."])
    assert retention(turns, "An annual marketing plan.").kept == 0


def test_nothing_established_has_no_share() -> None:
    assert retention(dialogue(["Hm."]), "x").share is None
