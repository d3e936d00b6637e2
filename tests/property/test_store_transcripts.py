"""A transcript shows what was said and nothing else, whatever a model says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.store.transcripts import escape, transcript
from harness.text.visible import visible
from harness.types import Event, Failure, SessionResult, SessionSpec, Speaker, StopReason, Turn

MARKDOWN = MarkdownIt("gfm-like", {"html": True, "linkify": False})
SPEC = SessionSpec("p-000", "p", 7, 0)
NASTY = st.text(st.sampled_from(list("\\`*_{}[]()<>#+-.!|~=&;:/\"'$ \t\n\r\x0b\u2028ax1é")), max_size=80)


def shown(markdown: str) -> str:
    """The text that a reader sees."""
    text = []
    for block in MARKDOWN.parse(markdown):
        for inline in block.children or ():
            text.append("\n" if inline.type in ("softbreak", "hardbreak") else inline.content)
        text.append("\n")
    return "".join(text)


def words(text: str) -> list[list[str]]:
    """What a reader compares: the words of each line that has any."""
    return [line.split() for line in text.splitlines() if line.split()]


@given(st.one_of(NASTY, st.text(max_size=60)))
def test_escaped_text_shows_as_it_was_said_in_plain_paragraphs(text: str) -> None:
    """No headings, lists, quotes, code, tables, HTML, links or emphasis; words and line breaks as said."""
    tokens = MARKDOWN.parse(escape(text))
    assert {block.type for block in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    inside = {inline.type for block in tokens for inline in block.children or ()}
    assert inside <= {"text", "text_special", "hardbreak", "softbreak"}
    assert words(shown(escape(text))) == words(visible(text))


@pytest.mark.parametrize(
    "text",
    [
        "# not a heading",
        "```\nnot code\n```",
        "    not code",
        "<script>alert(1)</script>",
        "1. not a list\n2) nor this",
        "- not a list\n+ nor this\n* nor this",
        "title\n===",
        "a | b\n--|--\n1 | 2",
        "[x](javascript:alert(1)) ![y](z)",
        "&lt;b&gt; &amp;",
        "> not a quote",
        "~~not struck~~ **not bold** __nor__ _this_ `nor`",
        "[ref]: http://x",
    ],
)
def test_known_tricks_stay_text(text: str) -> None:
    assert words(shown(escape(text))) == words(text)


@given(NASTY)
def test_a_page_has_one_heading_a_turn(text: str) -> None:
    turns = (Turn(0, Speaker.PATIENT, text), Turn(1, Speaker.THERAPIST, text))
    event = Event("loop", 1, Speaker.THERAPIST)
    tokens = MARKDOWN.parse(transcript(SessionResult(SPEC, StopReason.LOOP, turns, (event,))))
    headings = [after.content for at, after in pairwise(tokens) if at.type == "heading_open"]
    assert headings == ["p-000", "0 · Patient", "1 · Therapist", "Events"]


def test_the_head_says_persona_seed_and_end() -> None:
    page = shown(transcript(SessionResult(SPEC, StopReason.PATIENT_ENDED, (Turn(0, Speaker.PATIENT, "Bye."),))))
    assert words(page)[:5] == [
        ["p-000"],
        ["persona:", "p"],
        ["seed:", "7"],
        ["turns:", "1"],
        ["ended:", "patient_ended"],
    ]


@given(NASTY)
def test_a_failure_says_where_and_why_in_one_item(message: str) -> None:
    page = transcript(Failure(SPEC, "EngineError", message, "therapist/1", ()))
    assert page.count("\n- ") == 4
    assert words(shown(page))[4][:4] == ["ended:", "failed", "at", "therapist/1:"]
