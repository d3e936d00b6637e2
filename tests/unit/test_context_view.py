"""A view and a history give the messages of a prompt, alternating and complete, for either speaker."""

import pytest

from harness.context.view import NOTE_HEADING, project
from harness.types import Message, Role, Speaker, Turn, View

PATIENT, THERAPIST = Speaker.PATIENT, Speaker.THERAPIST
OPENING = "(The session begins.)"


class Plain:
    """A renderer that leaves text as it is."""

    def __init__(self, has_system: bool = True) -> None:
        self.has_system = has_system

    def message(self, role: Role, text: str, cap: int | None) -> Message:
        return Message(role, text if cap is None else text[:cap])


def history(turns: int) -> list[Turn]:
    return [Turn(i, THERAPIST if i % 2 else PATIENT, f"{'t' if i % 2 else 'p'}{i}") for i in range(turns)]


def seen(speaker: Speaker, turns: int, view: View, *, has_system: bool = True, system: str | None = "S") -> list[str]:
    opening = OPENING if speaker is PATIENT else None
    messages = project(system, opening, speaker, history(turns), view, Plain(has_system))
    return [f"{message.role[0]}:{message.content}" for message in messages]


def test_each_speaker_sees_its_own_turns_as_the_assistants() -> None:
    assert seen(THERAPIST, 3, View()) == ["s:S", "u:p0", "a:t1", "u:p2"]
    assert seen(PATIENT, 2, View()) == ["s:S", f"u:{OPENING}", "a:p0", "u:t1"]
    assert seen(PATIENT, 0, View()) == ["s:S", f"u:{OPENING}"]


def test_whole_exchanges_leave_and_the_opening_stays() -> None:
    view = View(pinned=2, first=6)
    assert seen(THERAPIST, 9, view) == ["s:S", "u:p0", "a:t1", "u:p6", "a:t7", "u:p8"]
    assert seen(PATIENT, 8, view) == ["s:S", f"u:{OPENING}", "a:p0", "u:t1", "a:p6", "u:t7"]
    assert seen(THERAPIST, 3, View(pinned=2)) == ["s:S", "u:p0", "a:t1", "u:p2"]
    assert seen(PATIENT, 8, View(first=6)) == ["s:S", f"u:{OPENING}", "a:p6", "u:t7"]


def test_the_note_ends_the_system_message_and_the_direction_the_last_message() -> None:
    view = View(first=2, note="They met.", direction="(Be brief.)")
    assert seen(THERAPIST, 3, view) == [f"s:S\n\n{NOTE_HEADING}\nThey met.", "u:p2\n\n(Be brief.)"]
    assert seen(THERAPIST, 3, view, system=None)[0] == f"s:{NOTE_HEADING}\nThey met."
    assert seen(PATIENT, 0, View(direction="(Be brief.)"))[-1] == f"u:{OPENING}\n\n(Be brief.)"


def test_without_a_system_role_its_text_leads_the_first_message() -> None:
    assert seen(THERAPIST, 3, View(), has_system=False) == ["u:S\n\np0", "a:t1", "u:p2"]
    assert seen(PATIENT, 0, View(), has_system=False) == [f"u:S\n\n{OPENING}"]
    assert seen(THERAPIST, 1, View(), has_system=False, system=None) == ["u:p0"]


def test_a_message_cap_is_for_turns_only() -> None:
    assert seen(THERAPIST, 1, View(message_cap=1), system="System") == ["s:System", "u:p"]


@pytest.mark.parametrize(
    ("speaker", "turns", "view"),
    [
        (THERAPIST, 2, View()),
        (PATIENT, 1, View()),
        (THERAPIST, 5, View(first=1)),
        (THERAPIST, 5, View(pinned=1)),
        (THERAPIST, 5, View(first=6)),
        (PATIENT, 4, View(first=4)),
    ],
)
def test_a_view_that_would_break_the_alternation_is_refused(speaker: Speaker, turns: int, view: View) -> None:
    with pytest.raises(ValueError, match="turns"):
        seen(speaker, turns, view)
