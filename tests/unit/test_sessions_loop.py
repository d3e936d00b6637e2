"""The relay loop under the guard: which of two drafts becomes the turn."""

from collections.abc import Sequence

import pytest

from harness.agents.base import Utterance
from harness.config.guard import GuardConfig
from harness.guard import Guard
from harness.sessions.loop import Session, run_session
from harness.types import Event, SessionSpec, Speaker, StopReason, Turn, View

HELPER = "How can I help you today?"
FINE = "I sat at my desk and counted the hours."


class Drafts:
    """Says its drafts of every turn in order, each with an event of its own; keeps the nudges that it got."""

    redrafts = True

    def __init__(self, speaker: Speaker, *texts: str) -> None:
        self.speaker, self.texts, self.nudges = speaker, texts, list[str | None]()
        self.was_taken: list[tuple[int, int | str]] = []

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        self.nudges.append(nudge)
        turn = Turn(len(history), self.speaker, self.texts[attempt])
        return Utterance(
            turn,
            View(direction=nudge),
            (Event("compaction", turn.index, self.speaker, {"draft": attempt}),),
            draft=attempt,
        )

    def taken(self, said: Utterance) -> None:
        self.was_taken.append((said.turn.index, said.draft))


class Nobody:
    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize(
    ("first", "second", "kept", "left"),
    [
        (HELPER, FINE, FINE, HELPER),
        (HELPER, HELPER + " <|im_end|>", HELPER + " <|im_end|>", HELPER),
        (HELPER, HELPER + " I want to die.", HELPER, HELPER + " I want to die."),
    ],
)
async def test_the_better_of_two_drafts_becomes_the_turn_and_the_other_is_recorded(
    first: str, second: str, kept: str, left: str
) -> None:
    """Where neither is better the second one counts, since it was made under the direction."""
    patient = Drafts(Speaker.PATIENT, first, second)
    agents = {Speaker.PATIENT: patient, Speaker.THERAPIST: Drafts(Speaker.THERAPIST, "Go on.", "Go on.")}
    spec = SessionSpec("s-000", "s", 1, 0)
    result = await run_session(Session(spec), agents, Guard(GuardConfig(mends="both")), 1, Nobody().turn)
    assert result.turns[0].text == kept
    (retry,) = (event for event in result.events if event.kind == "retry")
    assert (retry.turn, retry.data["draft"], retry.data["because"]) == (0, left, "role_break")
    assert [event.data["draft"] for event in result.events if event.kind == "compaction" and not event.turn] in (
        [0, 1],
        [1, 0],
    )
    assert patient.was_taken == [(0, 0 if kept == first else 1)]
    assert patient.nudges[0] is None
    assert "You are the patient" in (patient.nudges[1] or "")


async def test_a_turn_without_findings_is_drafted_once() -> None:
    patient = Drafts(Speaker.PATIENT, FINE, "never")
    agents = {Speaker.PATIENT: patient, Speaker.THERAPIST: Drafts(Speaker.THERAPIST, "Go on.", "never")}
    result = await run_session(Session(SessionSpec("s", "s", 1, 0)), agents, Guard(GuardConfig(mends="both")), 1, Nobody().turn)
    assert [turn.text for turn in result.turns] == [FINE, "Go on."]
    assert patient.nudges == [None]
