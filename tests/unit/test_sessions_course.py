"""A course of therapy: what one session leaves to the next, and in which order sessions are played."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from harness.agents.appraiser import RuleAppraiser
from harness.agents.base import Utterance
from harness.agents.directions import COOL_DOWN
from harness.agents.inner_state import InnerState, after_a_break, initial
from harness.agents.patient import SimulatedPatient
from harness.agents.prompt import patient_opening, patient_system
from harness.agents.speaker import ModelSpeaker
from harness.config.compose import load as load_config
from harness.config.schema import ContextConfig, CourseConfig
from harness.context.ask import StructuredQuery
from harness.context.budget import Window
from harness.context.manager import ContextManager
from harness.context.policies import make_policy
from harness.context.preamble import Preamble
from harness.context.render.renderer import Renderer
from harness.context.summary import Summarizer
from harness.errors import EngineError, EngineUnavailable
from harness.metrics.course import course
from harness.paths import persona_dir
from harness.personas.library import load
from harness.runs.workers import run_all
from harness.sessions.course import Earlier, HandoverWriter, digest, handover_of
from harness.sessions.factory import RoleContext
from harness.sessions.loop import Session
from harness.sessions.plan import plan
from harness.store.identity import config_hash
from harness.store.transcripts import transcript
from harness.types import Event, Failure, Handover, Request, Sampling, SessionResult, SessionSpec, Speaker, StopReason
from tests.fixtures.engines import Scripted
from tests.fixtures.templates import chatml_bytes
from tests.sessions import dialogue

RACHEL = load(["skeptical-bullied-overwhelmed"], [persona_dir()])[0]
TALK = dialogue(
    [
        "My sister Anna rang on Monday. It was loud and I said little. I said nothing more.",
        "What happened then?",
        "Nothing much. I'll write to her before Friday. It is what it is.",
        "That sounds like a step.",
    ]
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(chatml_bytes())


def session(before: Handover | None = None) -> Session:
    return Session(SessionSpec("s-000.1", "s", 3, 0, "s-000", 1), turns=list(TALK), before=before)


def test_a_course_has_stable_ids_and_begins_as_a_session_alone_would() -> None:
    alone = [spec for (spec,) in plan(["a", "b"], 2, 7)]
    courses = list(plan(["a", "b"], 2, 7, 3))
    assert [[spec.session_id for spec in specs] for specs in courses][:2] == [
        ["a-000.1", "a-000.2", "a-000.3"],
        ["b-000.1", "b-000.2", "b-000.3"],
    ]
    assert [specs[0].seed for specs in courses] == [spec.seed for spec in alone]
    assert len({spec.seed for specs in courses for spec in specs}) == 12
    assert [specs[:3] for specs in plan(["a", "b"], 2, 7, 5)] == courses  # a longer course begins as a shorter one


def test_settings_of_a_course_count_only_where_there_is_one() -> None:
    def hashed(*overrides: str) -> str:
        return config_hash(load_config(["engine=dry", *overrides]).model_dump(mode="json"))

    old = load_config(["engine=dry"]).model_dump(mode="json")
    del old["course"]
    assert hashed() == hashed("course.note=digest") == config_hash(old)
    assert len({hashed(), hashed("course.sessions=2"), hashed("course.sessions=2", "course.note=digest")}) == 3


def test_between_sessions_some_of_it_fades_and_nothing_told_is_untold() -> None:
    start = initial(RACHEL)
    end = InnerState(9, 0.9, 0.8, 0.1, 0.9, 0.7, unlocked=2, told=1, shown={"slow_down": (8, 2), "tell": (7, 1)})
    back = after_a_break(end, RACHEL)
    assert start.trust < back.trust < end.trust
    assert start.hope < back.hope < end.hope
    assert end.distress < back.distress < start.distress
    assert back.trust - start.trust == pytest.approx(0.8 * (end.trust - start.trust))
    assert (back.turn, back.told, back.unlocked) == (0, 1, 1)
    assert [back.times_shown(name) for name in ("slow_down", "tell")] == [2, 1]
    assert all((back.last_shown(name) or 0) + COOL_DOWN[name] < 0 for name in ("slow_down", "tell"))
    assert InnerState.from_dict(back.to_dict()) == back


async def test_a_patient_comes_back_in_the_state_that_was_handed_over(renderer: Renderer) -> None:
    engine = Scripted(lambda request: "It was all right.")

    def comes(start: InnerState | None) -> SimulatedPatient:
        preamble = Preamble(Speaker.PATIENT, patient_system(RACHEL), patient_opening(RACHEL), renderer)
        policy = make_policy(ContextConfig(), None)
        context = ContextManager(preamble, engine, Window(16000), policy, sampling=Sampling(), max_new_tokens=100)
        return SimulatedPatient(
            ModelSpeaker(Speaker.PATIENT, context, "s", 1, 0), RACHEL, RuleAppraiser(RACHEL), start=start
        )

    handed = InnerState(trust=0.71, told=1, unlocked=1)
    said = await comes(handed).speak([])
    assert isinstance(said, Utterance)
    state = said.turn.patient_state
    assert state is not None
    assert (state["trust"], state["told"]) == (0.71, 1)
    warm = dialogue([said.turn.text, "That sounds really hard. It makes sense. What was it like?"])
    left, _ = await comes(handed).left_with(warm)
    assert left is not None
    assert left.trust > 0.71  # what the therapist said last counts, too


def test_what_was_told_is_known_and_no_longer_held_back(renderer: Renderer) -> None:
    config = load_config(["engine=dry"])
    role_contexts = {speaker: RoleContext(speaker, role, renderer, Window(8000)) for speaker, role in config.roles()}
    earlier = Earlier("Anna rang.", 1, 2, CourseConfig(sessions=3))
    first, later = (role_contexts[Speaker.PATIENT].preamble(RACHEL, e) for e in (None, earlier))
    told = RACHEL.disclosure[0]
    assert first.system is not None
    assert later.system is not None
    assert told.topic in first.system
    assert told.topic not in later.system
    assert told.content not in first.system
    assert told.content in later.system
    assert RACHEL.disclosure[1].topic in later.system
    assert RACHEL.disclosure[1].content not in later.system
    assert "Anna rang." in later.system
    assert first.opening != later.opening
    therapist = role_contexts[Speaker.THERAPIST].preamble(RACHEL, earlier).system
    assert therapist is not None
    assert therapist.endswith("session 2 of 3 with this patient. Your notes on the sessions before:\nAnna rang.")
    assert told.content not in therapist


@pytest.mark.parametrize("window", [700, 1024, 2048, 8000])
@pytest.mark.parametrize("speaker", Speaker)
def test_what_a_speaker_remembers_takes_no_more_than_is_kept_for_it(
    window: int, speaker: Speaker, renderer: Renderer
) -> None:
    config = load_config(["engine=dry"])
    role_context = RoleContext(speaker, dict(config.roles())[speaker], renderer, Window(window))
    wanted = CourseConfig(sessions=9)
    earlier = Earlier("A sentence of the note. " * 300, len(RACHEL.disclosure), 9, wanted)
    grown = role_context.preamble(RACHEL, earlier).shortest.tokens - role_context.preamble(RACHEL).shortest.tokens
    opening = renderer.count_text(patient_opening(RACHEL, again=True)) - renderer.count_text(patient_opening(RACHEL))
    assert grown <= role_context.handover_room(wanted) + (opening if speaker is Speaker.PATIENT else 0)


@pytest.mark.parametrize("bound", [12, 60, 200, 1000])
@pytest.mark.parametrize("old", [None, "Session 1, the patient said: I have a cat. " * 20])
def test_a_digest_is_bounded_and_keeps_what_was_established(bound: int, old: str | None, renderer: Renderer) -> None:
    note = digest(TALK, old, 2, bound, renderer)
    assert note.strip()
    assert renderer.count_text(note) <= bound
    if bound >= 200:
        assert "I'll write to her before Friday." in note
        assert "What happened then?" not in note
        assert ("I have a cat." in note) == (old is not None)


def handover_writer(engine: Scripted, renderer: Renderer) -> HandoverWriter:
    summarizer = Summarizer(StructuredQuery(engine, renderer, Window(2000), max_new_tokens=100), "handover.jinja")
    return HandoverWriter(summarizer, renderer, 100)


async def test_the_model_s_note_is_told_what_came_before_and_becomes_the_handover(renderer: Renderer) -> None:
    engine = Scripted(lambda request: "Anna rang. Agreed: a letter.")
    event = await handover_writer(engine, renderer).write(session(Handover("She is 41.")), {"told": 1})
    assert handover_of(event) == Handover("Anna rang. Agreed: a letter.", {"told": 1})
    assert (event.turn, event.data["by"]) == (3, "model")
    asked = engine.requests[0].prompt.messages[0].content
    assert "She is 41." in asked
    assert "I'll write to her before Friday." in asked


async def test_without_a_usable_note_a_digest_takes_its_place_and_says_why(renderer: Renderer) -> None:
    event = await handover_writer(Scripted(lambda request: " "), renderer).write(session(), None)
    assert (event.data["by"], event.data["reason"]) == ("digest", "the note came back empty")
    assert "Friday" in handover_of(event).note


async def test_a_note_that_says_the_same_over_and_over_is_no_handover(renderer: Renderer) -> None:
    looping = Scripted(lambda request: "I'm not sure I can do that. " * 3)
    event = await handover_writer(looping, renderer).write(session(), None)
    assert (event.data["by"], event.data["reason"]) == ("digest", "the note repeats itself")
    assert event.data["summary_completion_tokens"] == 1  # what it cost stays on record
    assert "Friday" in handover_of(event).note


async def test_an_engine_that_is_gone_is_not_taken_for_a_missing_note(renderer: Renderer) -> None:
    def gone(request: Request) -> str:
        raise EngineUnavailable("gone")

    with pytest.raises(EngineUnavailable):
        await handover_writer(Scripted(gone), renderer).write(session(), None)


class Stage:
    """Plays courses; the session `fails` fails."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.played: list[str] = []
        self.failures: list[Failure] = []

    async def play(self, session: Session) -> Session | None:
        if session.spec.session_id == self.fails:
            raise EngineError("no answer")
        self.played.append(session.spec.session_id)
        return Session(session.rest[0], rest=session.rest[1:]) if session.rest else None

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)


async def courses(stage: Stage) -> AsyncIterator[tuple[Stage, Session]]:
    for specs in plan(["a", "b"], 1, 0, 3):
        yield stage, Session(specs[0], rest=specs[1:])


async def test_the_sessions_of_a_course_follow_one_another_and_a_failure_ends_only_its_own_course() -> None:
    stage = Stage(fails="a-000.2")
    await run_all(courses(stage), 2)
    assert [name for name in stage.played if name.startswith("a")] == ["a-000.1"]
    assert [name for name in stage.played if name.startswith("b")] == ["b-000.1", "b-000.2", "b-000.3"]
    (failure,) = stage.failures
    assert failure.message == "no answer; not played: the session that follows it in its course"


def test_a_transcript_says_which_session_of_which_course_it_is_and_what_was_handed_over() -> None:
    event = Event("handover", 3, Speaker.THERAPIST, {"note": "Anna rang.", "by": "model"})
    page = transcript(SessionResult(session().spec, StopReason.MAX_EXCHANGES, tuple(TALK), (event,)))
    assert "- course: s-000, session 1" in page
    assert "## Handover to the next session\n\nAnna rang." in page


def test_a_layer_told_in_an_earlier_session_is_not_counted_as_told_in_this_one() -> None:
    def disclosed(told: list[int]) -> Mapping[str, Any]:
        measured = course([{"told": number, "unlocked": number, "shown": {}} for number in told])
        assert measured is not None
        found: Mapping[str, Any] = measured["disclosure"]
        return found

    assert disclosed([0, 0, 1, 2])["told_at"] == [3, 4]
    assert disclosed([1, 1, 2])["told_at"] == [3]
    assert disclosed([1, 1, 2])["told"] == 2
    states = [{"told": 0, "unlocked": 0, "shown": {"doubt": (-100, 2), **more}} for more in ({}, {"tell": (3, 1)})]
    measured = course(states)
    assert measured is not None
    assert measured["resistance"]["behaviours"] == {"tell": 1}
