"""From a history and a view to the messages that one speaker's model gets.

Invariants:
- `project` is pure: system text, opening, history and view are enough to rebuild a prompt exactly.
- Messages are: system (if the template has that role), then user and assistant alternating, the last one user.
- Only whole exchanges are left out of a view: a patient turn and the therapist's answer.
"""

from collections.abc import Sequence
from typing import Protocol

from harness.types import Message, Role, Speaker, Turn, View

NOTE_HEADING = "Notes on the earlier part of this session, which is no longer shown word for word:"
EXCHANGE = 2
"""Turns in an exchange."""


class MessageMaker(Protocol):
    """The part of a renderer that `project` needs."""

    @property
    def has_system(self) -> bool: ...

    def message(self, role: Role, text: str, cap: int | None, /) -> Message:
        """A message for a prompt: without control strings, and at most `cap` tokens long."""
        ...


def project(
    system: str | None,
    opening: str | None,
    speaker: Speaker,
    history: Sequence[Turn],
    view: View,
    renderer: MessageMaker,
) -> list[Message]:
    """The messages of `view` for the next turn of `speaker`.

    `opening` is the first user message for the patient, who speaks first.
    The note ends the system message, and the direction ends the last message, so that everything before them stays in
    the engine's cache. If the template has no system role, the system text begins the first user message.
    """
    check_view(speaker, history, view, opening)
    shown = [*history[: view.pinned], *history[max(view.first, view.pinned) :]]
    said = [spoken(turn, speaker, view.message_cap, renderer) for turn in shown]
    *before, last = framed(system, opening, speaker, said, view, renderer)
    return [*before, Message(last.role, last.content + aside(view.direction, renderer))]


def aside(direction: str | None, renderer: MessageMaker) -> str:
    """The text that a direction appends to the last message; empty if there is none."""
    return f"\n\n{renderer.message('user', direction, None).content}" if direction else ""


def spoken(turn: Turn, speaker: Speaker, cap: int | None, renderer: MessageMaker) -> Message:
    """One turn as a message to `speaker`'s model."""
    return renderer.message("assistant" if turn.speaker is speaker else "user", turn.text, cap)


def framed(
    system: str | None,
    opening: str | None,
    speaker: Speaker,
    said: Sequence[Message],
    view: View,
    renderer: MessageMaker,
) -> list[Message]:
    """The messages of a view without its direction, made from the dialogue's messages `said`, which are not changed."""
    messages = [renderer.message("user", opening, None)] if opening is not None and speaker is Speaker.PATIENT else []
    messages += said
    text = "\n\n".join(part for part in (system, view.note and f"{NOTE_HEADING}\n{view.note}") if part)
    if not text:
        return messages
    head = renderer.message("system", text, None)
    if renderer.has_system:
        return [head, *messages]
    return [Message("user", f"{head.content}\n\n{messages[0].content}"), *messages[1:]]


def last_exchange(history: Sequence[Turn]) -> int:
    """Index of the first turn that every view must hold: the patient turn of the current exchange."""
    return max(0, (len(history) - 1) // EXCHANGE * EXCHANGE)


def check_view(speaker: Speaker, history: Sequence[Turn], view: View, opening: str | None) -> None:
    """Raise `ValueError` for a view that would break the alternation of messages: a defect in the harness."""
    if len(history) % EXCHANGE != (speaker is Speaker.THERAPIST):
        raise ValueError(
            f"the {speaker} can't speak after {len(history)} turns; turns alternate and the patient begins"
        )
    if speaker is Speaker.PATIENT and not opening:
        raise ValueError("the patient needs an opening: its template's first message is a user message")
    if (
        view.pinned % EXCHANGE
        or view.first % EXCHANGE
        or max(view.first, view.pinned - EXCHANGE) > last_exchange(history)
    ):
        raise ValueError(f"a view of whole exchanges can't begin at {view.first} of {len(history)} turns: {view}")
