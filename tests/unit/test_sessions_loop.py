"""The relay loop under the guard: which of two drafts becomes the turn."""

from collections.abc import Sequence

import pytest

from harness.agents.base import AGAIN, Utterance
from harness.config.guard import GuardConfig
from harness.errors import (
    ContextOverflow,
    EngineError,
    EngineUnavailable,
    HarnessError,
    PromptRefused,
    RequestRejected,
    StorageError,
)
from harness.guard import Guard
from harness.sessions.loop import ANSWER, SILENT_DRAFTS, SPEAK, THOUGHT_DRAFTS, Session, run_session
from harness.types import Event, SessionResult, SessionSpec, Speaker, StopReason, Turn, View

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
    result = await run_session(
        Session(SessionSpec("s", "s", 1, 0)), agents, Guard(GuardConfig(mends="both")), 1, Nobody().turn
    )
    assert [turn.text for turn in result.turns] == [FINE, "Go on."]
    assert patient.nudges == [None]


class Fails(Drafts):
    """Its second drafts fail."""

    def __init__(self, speaker: Speaker, text: str, error: Exception) -> None:
        super().__init__(speaker, text)
        self.error = error

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        if attempt:
            raise self.error
        return await super().speak(history, nudge=nudge)


@pytest.mark.parametrize(
    "error", [EngineError("it died"), RequestRejected("no"), PromptRefused("too long"), ContextOverflow("no room")]
)
async def test_a_second_draft_that_fails_leaves_the_first_one(error: HarnessError) -> None:
    patient = Fails(Speaker.PATIENT, HELPER, error)
    agents = {Speaker.PATIENT: patient, Speaker.THERAPIST: Drafts(Speaker.THERAPIST, "Go on.", "Go on.")}
    result = await run_session(Session(SessionSpec("s", "s", 1, 0)), agents, Guard(GuardConfig()), 1, Nobody().turn)
    assert [turn.text for turn in result.turns] == [HELPER, "Go on."]
    (retry,) = (event for event in result.events if event.kind == "retry")
    assert (retry.data["by"], retry.data["because"], retry.data["failed"]) == ("guard", "role_break", str(error))
    assert patient.was_taken == [(0, 0)]


@pytest.mark.parametrize("error", [EngineUnavailable("gone"), StorageError("disk full")])
async def test_what_concerns_all_sessions_is_no_matter_of_one_draft(error: HarnessError) -> None:
    patient = Fails(Speaker.PATIENT, HELPER, error)
    agents = {Speaker.PATIENT: patient, Speaker.THERAPIST: Drafts(Speaker.THERAPIST, "Go on.", "Go on.")}
    with pytest.raises(type(error)):
        await run_session(Session(SessionSpec("s", "s", 1, 0)), agents, Guard(GuardConfig()), 1, Nobody().turn)


class Mutters(Drafts):
    """Says its texts draft after draft; one in angle brackets is reasoning, and no text."""

    async def speak(
        self, history: Sequence[Turn], *, nudge: str | None = None, attempt: int = 0
    ) -> Utterance | StopReason:
        self.nudges.append(nudge)
        text = self.texts[min(len(self.nudges), len(self.texts)) - 1]
        thought = text[1:-1] if text.startswith("<") else None
        said = "" if thought else text
        turn = Turn(len(history), self.speaker, said, reasoning=thought, completion_tokens=7, max_new_tokens=64)
        return Utterance(turn, View(direction=nudge), draft=attempt)


async def play(*texts: str, exchanges: int = 1) -> tuple[SessionResult, Mutters]:
    therapist = Mutters(Speaker.THERAPIST, *texts)
    agents = {Speaker.PATIENT: Drafts(Speaker.PATIENT, FINE), Speaker.THERAPIST: therapist}
    spec = SessionSpec("s-000", "s", 1, 0)
    return await run_session(Session(spec), agents, Guard(GuardConfig()), exchanges, Nobody().turn), therapist


@pytest.mark.parametrize("silent", ["", " \n", "\u200b", "\x00\x07", "<she is tired>"])
async def test_an_answer_that_says_nothing_is_asked_for_again_with_a_note_and_never_a_turn(silent: str) -> None:
    result, therapist = await play(silent, silent, "What was the worst hour?")
    assert [turn.text for turn in result.turns] == [FINE, "What was the worst hour?"]
    thought = silent.startswith("<")
    assert therapist.nudges == [None, *[ANSWER if thought else SPEAK] * 2]
    assert therapist.was_taken == [(1, AGAIN + 1)]
    retries = [event.data for event in result.events if event.kind == "retry"]
    assert [retry["by"] for retry in retries] == ["session", "session"]
    assert retries[0]["reason"] == (
        "the answer contained only reasoning" if thought else "the answer contained no visible text"
    )
    assert retries[0].get("reasoning") == ("she is tired" if thought else None)


@pytest.mark.parametrize(
    ("silent", "asked", "says"),
    [
        ("", SILENT_DRAFTS, "8 answers of the therapist for turn 1 contained no visible text"),
        (
            "<hm>",
            THOUGHT_DRAFTS,
            "3 answers of the therapist for turn 1 contained only reasoning; turn the model's reasoning off",
        ),
    ],
)
async def test_after_a_few_the_session_fails_with_the_remedy(silent: str, asked: int, says: str) -> None:
    therapist = Mutters(Speaker.THERAPIST, silent)
    agents = {Speaker.PATIENT: Drafts(Speaker.PATIENT, FINE), Speaker.THERAPIST: therapist}
    session = Session(SessionSpec("s-000", "s", 1, 0))
    with pytest.raises(EngineError, match=says):
        await run_session(session, agents, Guard(GuardConfig()), 1, Nobody().turn)
    assert len(therapist.nudges) == asked
    assert [turn.text for turn in session.turns] == [FINE]


@pytest.mark.parametrize("text", ["...", "…", "?", "🙂", "-"])
async def test_a_silence_that_shows_is_a_turn(text: str) -> None:
    result, _ = await play(text)
    assert result.turns[1].text == text


async def test_a_guards_second_draft_that_says_nothing_leaves_the_first() -> None:
    patient = Drafts(Speaker.PATIENT, HELPER, "  ")
    agents = {Speaker.PATIENT: patient, Speaker.THERAPIST: Drafts(Speaker.THERAPIST, "Go on.", "Go on.")}
    result = await run_session(Session(SessionSpec("s", "s", 1, 0)), agents, Guard(GuardConfig()), 1, Nobody().turn)
    assert result.turns[0].text == HELPER
