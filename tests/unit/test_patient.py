"""The simulated patient: appraisal by its own model, and drafts that are checked before anyone hears them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from harness.agents.appraisal import APPRAISAL_SCHEMA, appraise
from harness.agents.appraiser import ANSWER_TOKENS, Appraiser, ModelAppraiser, RuleAppraiser
from harness.agents.base import Utterance
from harness.agents.contradictions import contradiction
from harness.agents.inner_state import initial, step
from harness.agents.patient import SimulatedPatient
from harness.agents.prompt import patient_opening, patient_system
from harness.agents.self_check import SelfCheck
from harness.agents.speaker import AVOID_SAID, WARMER, ModelSpeaker
from harness.config.schema import ContextConfig
from harness.context.ask import StructuredQuery
from harness.context.budget import Window
from harness.context.manager import ContextManager
from harness.context.policies import make_policy
from harness.context.preamble import Preamble
from harness.context.render.renderer import Renderer
from harness.errors import EngineError, EngineUnavailable
from harness.paths import persona_dir
from harness.personas.library import load
from harness.types import Request, Sampling, SessionSpec, Speaker, Turn
from tests.fixtures.engines import Scripted
from tests.fixtures.templates import chatml_bytes
from tests.sessions import dialogue

RACHEL = load(["skeptical-bullied-overwhelmed"], [persona_dir()])[0]
SPEC = SessionSpec("s-000", RACHEL.id, 5, 0)
WARM = "That sounds really hard. It makes sense. What was it like?"
GRADES = dict.fromkeys(APPRAISAL_SCHEMA["required"], 0) | {"misunderstood": 3}
HISTORY = dialogue(["They laughed again when I came in.", WARM])
PLAIN = "I sat there with my lunch and looked at the wall."


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(chatml_bytes())


def query(engine: Scripted, renderer: Renderer, window: int = 8000) -> StructuredQuery:
    return StructuredQuery(engine, renderer, Window(window), max_new_tokens=ANSWER_TOKENS)


def patient(
    engine: Scripted, renderer: Renderer, appraiser: Appraiser | None = None, check: SelfCheck | None = None
) -> SimulatedPatient:
    part = Preamble(Speaker.PATIENT, patient_system(RACHEL), patient_opening(RACHEL), renderer)
    policy = make_policy(ContextConfig(), None)
    context = ContextManager(part, engine, Window(16000), policy, sampling=Sampling(), max_new_tokens=100)
    return SimulatedPatient(
        ModelSpeaker(Speaker.PATIENT, context, SPEC.session_id, SPEC.seed, 0), RACHEL, appraiser, check
    )


async def speak(who: SimulatedPatient, history: Sequence[Turn] = HISTORY, **how: int) -> Utterance:
    said = await who.speak(history, **how)  # type: ignore[arg-type]
    assert isinstance(said, Utterance)
    return said


def answers(text: str | EngineError, turn: str = PLAIN) -> Callable[[Request], str]:
    """`text` where something is asked beside the dialogue, `turn` in it."""

    def say(request: Request) -> str:
        if request.json_schema is None:
            return turn
        if isinstance(text, EngineError):
            raise text
        return text

    return say


async def test_the_patient_s_model_says_what_the_therapist_did(renderer: Renderer) -> None:
    engine = Scripted(answers(json.dumps(GRADES)))
    who = patient(engine, renderer, ModelAppraiser(query(engine, renderer), RACHEL, SPEC))
    said = await speak(who)
    assert said.turn.patient_state is not None
    assert said.turn.patient_state["appraisal"]["misunderstood"] == 1.0
    assert said.turn.patient_state["trust"] < initial(RACHEL).trust
    assert [(event.kind, event.turn, event.data["by"]) for event in said.events] == [("appraisal", 2, "model")]
    (asked,) = engine.asked("/appraisal")
    assert asked.json_schema == APPRAISAL_SCHEMA
    assert WARM in asked.prompt.messages[0].content


async def test_a_second_draft_asks_for_no_second_appraisal(renderer: Renderer) -> None:
    engine = Scripted(answers(json.dumps(GRADES)))
    who = patient(engine, renderer, ModelAppraiser(query(engine, renderer), RACHEL, SPEC))
    first, second = await speak(who), await speak(who, attempt=1)
    assert len(engine.asked("/appraisal")) == 1
    assert second.turn.patient_state == first.turn.patient_state
    drawn = [request.sampling for request in engine.requests if request.json_schema is None]
    assert [sampling.temperature for sampling in drawn] == pytest.approx([0.7, 0.7 + WARMER])
    assert [sampling.penalty for sampling in drawn] == pytest.approx([1.0, AVOID_SAID])
    assert second.events == ()


async def test_a_resumed_patient_feels_what_an_uninterrupted_one_does(renderer: Renderer) -> None:
    told = answers("They laughed when I came into the kitchen with my grandmother's soup.")
    through = patient(Scripted(told), renderer, RuleAppraiser(RACHEL))
    history: list[Turn] = []
    lines = (
        "Laughter in a kitchen, with your hands full of soup and nowhere to put the bowl down.",
        "You were carrying something of your grandmother's, and that is what they had their fun with.",
        "Somebody might have taken the lid off and asked for a spoon of that soup.",
        WARM,
    )
    for index in range(0, 8, 2):
        said = await speak(through, history)
        recorded = [replace(turn, patient_state=turn.patient_state and dict(turn.patient_state)) for turn in history]
        resumed = await speak(patient(Scripted(told), renderer, RuleAppraiser(RACHEL)), recorded)
        assert said.turn.patient_state == resumed.turn.patient_state
        history += [said.turn, Turn(index + 1, Speaker.THERAPIST, lines[index // 2])]
    first, last = history[0].patient_state, history[-2].patient_state
    assert first is not None
    assert last is not None
    assert last["trust"] != first["trust"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("It felt fine.", "It felt fine."), ('{"validated": 9}', "validated"), (EngineError("no grammar"), "no grammar")],
)
async def test_without_usable_grades_the_rules_appraise_and_the_reason_is_recorded(
    answer: str | EngineError, reason: str, renderer: Renderer
) -> None:
    engine = Scripted(answers(answer))
    said = await speak(patient(engine, renderer, ModelAppraiser(query(engine, renderer), RACHEL, SPEC)))
    by_rules = await speak(patient(engine, renderer, RuleAppraiser(RACHEL)))
    assert said.turn.patient_state == by_rules.turn.patient_state
    (event,) = said.events
    assert (event.kind, event.data["by"]) == ("appraisal", "rules")
    assert reason in event.data["reason"]
    assert by_rules.events == ()


async def test_an_engine_that_is_gone_is_not_taken_for_a_missing_answer(renderer: Renderer) -> None:
    engine = Scripted(answers(EngineUnavailable("gone")))
    with pytest.raises(EngineUnavailable):
        await speak(patient(engine, renderer, ModelAppraiser(query(engine, renderer), RACHEL, SPEC)))


async def test_a_question_fits_its_window_however_long_the_turns_are(renderer: Renderer) -> None:
    """Promise: no request whose prompt and answer exceed the window, questions beside the dialogue included."""
    history = dialogue(["I said no. " * 600, "That sounds hard. " * 600])
    for window in (900, 1200, 4000):
        engine = Scripted(answers(json.dumps(GRADES)))
        asks = ModelAppraiser(query(engine, renderer, window), RACHEL, SPEC)
        _, events = await asks.appraise(history)
        assert events[0].data["by"] == "model"
        (asked,) = engine.requests
        assert asked.prompt.tokens + asked.prompt.max_new_tokens <= window == asked.prompt.max_model_len
        assert asked.prompt.tokens > window - ANSWER_TOKENS - 60
        assert asked.prompt.messages[0].content.count("left out") == 2
    tiny = ModelAppraiser(query(engine, renderer, 300), RACHEL, SPEC)
    appraisal, events = await tiny.appraise(history)
    assert appraisal == appraise(history[1].text, history[0].text)
    assert "window of 300" in events[0].data["reason"]


def drafts(first: str, second: str, answer: str = '{"problem": "none"}') -> Scripted:
    """A patient that says `first`, and `second` where it is asked to rewrite."""

    def say(request: Request) -> str:
        if request.json_schema is not None:
            return answer
        return second if request.request_id.endswith(".checked") else first

    return Scripted(say)


@pytest.mark.parametrize(
    ("draft", "form", "told"),
    [
        ("It sounds like you carry a lot. How can I help you today?", "helper", "You are the patient"),
        ("I'm 52 years old and I have seen all this.", "facts", f"you are {RACHEL.identity.age}"),
        ("My name is Anna and I am tired.", "facts", "you are Rachel"),
        ("I feel so hopeful now, that helped me so much.", "mood", "hope"),
        ("They laughed again when I came in, yes.", "worn_out", "Say something new"),
    ],
)
async def test_a_draft_that_does_not_hold_is_rewritten_once_and_recorded(
    draft: str, form: str, told: str, renderer: Renderer
) -> None:
    engine = drafts(draft, PLAIN)
    said = await speak(patient(engine, renderer, RuleAppraiser(RACHEL), SelfCheck(RACHEL, SPEC, None)))
    assert said.turn.text == PLAIN
    (event,) = said.events
    assert (event.kind, event.data["by"], event.data["form"], event.data["draft"]) == (
        "self_check",
        "rules",
        form,
        draft,
    )
    (rewritten,) = engine.asked(".checked")
    assert told in rewritten.prompt.messages[-1].content
    assert rewritten.seed != engine.requests[0].seed


async def test_a_rewritten_draft_is_taken_as_it_is_and_the_guard_s_second_draft_is_not_checked(
    renderer: Renderer,
) -> None:
    helper = "How can I help you today?"
    engine = drafts(helper, helper)
    who = patient(engine, renderer, None, SelfCheck(RACHEL, SPEC, None))
    assert (await speak(who)).turn.text == helper
    assert len(engine.requests) == 2
    again = await speak(who, attempt=1)
    assert (again.events, len(engine.requests)) == ((), 3)


async def test_a_draft_that_holds_costs_nothing(renderer: Renderer) -> None:
    engine = drafts(PLAIN, "never")
    said = await speak(patient(engine, renderer, RuleAppraiser(RACHEL), SelfCheck(RACHEL, SPEC, None)))
    assert (said.turn.text, said.events, len(engine.requests)) == (PLAIN, (), 1)


@pytest.mark.parametrize(
    ("answer", "text", "form"),
    [
        ('{"problem": "none"}', PLAIN, None),
        ('{"problem": "helper"}', "Rewritten.", "helper"),
        ('{"problem": "facts"}', "Rewritten.", "facts"),
        ('{"problem": "mood"}', "Rewritten.", "mood"),
        ("no idea", PLAIN, "none"),
    ],
)
async def test_the_patient_s_model_is_asked_where_the_rules_find_nothing(
    answer: str, text: str, form: str | None, renderer: Renderer
) -> None:
    engine = drafts(PLAIN, "Rewritten.", answer)
    check = SelfCheck(RACHEL, SPEC, query(engine, renderer))
    said = await speak(patient(engine, renderer, RuleAppraiser(RACHEL), check))
    assert said.turn.text == text
    assert [event.data["form"] for event in said.events] == ([] if form is None else [form])
    (asked,) = engine.asked("/self_check")
    assert PLAIN in asked.prompt.messages[0].content


async def test_a_resumed_patient_knows_what_is_worn_out(renderer: Renderer) -> None:
    """A check that has seen nothing of a session judges its next turn like one that has seen it all."""
    old = "I walked to the river and it did not help me at all."
    history = dialogue([old, WARM, "My sister phoned on Sunday.", WARM])
    draft = Turn(4, Speaker.PATIENT, old)
    seen = SelfCheck(RACHEL, SPEC, None)
    await seen.check(history[:2], Turn(2, Speaker.PATIENT, history[2].text), None)
    assert (await seen.check(history, draft, None))[0] == (
        await SelfCheck(RACHEL, SPEC, None).check(history, draft, None)
    )[0]
    assert (await seen.check(history, draft, None))[0] is not None


def test_only_what_goes_against_the_persona_is_a_contradiction() -> None:
    who = RACHEL.identity
    fine = (
        f"I'm {who.age}, and I should know better.",
        f"My name is {who.name}.",
        "I'm 30 minutes late, sorry. When I was 12 it was worse. I'm 50/50 on it.",
        "My name is on the list. I work as hard as anyone. I'm a mess.",
        f"I'm {who.occupation}. My sister Ellen called.",
    )
    assert [contradiction(text, RACHEL) for text in fine] == [None] * len(fine)
    wrong = (
        "I'm 19 years old.",
        "As a 61-year-old man I know.",
        "I work as a deep sea diver in Norway.",
        "I'm a therapist.",
    )
    assert all(contradiction(text, RACHEL) for text in wrong)


def test_a_person_s_name_is_not_changed() -> None:
    named = [
        (persona, person, word)
        for persona in load("all", [persona_dir()])
        for person in persona.people
        for word in ("wife", "husband", "daughter", "son", "sister", "brother")
        if person.name[:1].isupper() and word in person.relation.split()
    ]
    assert len(named) >= 3
    for persona, person, word in named:
        assert contradiction(f"My {word} {person.name} was there.", persona) is None
        assert contradiction(f"My {word} Zebulon was there.", persona) is not None


def test_eager_patients_may_say_that_all_is_well() -> None:
    eager = next(p for p in load("all", [persona_dir()]) if "compliant_without_change" in p.resistance)
    state = step(initial(eager), appraise(WARM), eager)
    assert SelfCheck(eager, SPEC, None)._too_well("I feel so hopeful now.", state) is None


async def test_a_draft_stands_where_it_can_not_be_rewritten(renderer: Renderer) -> None:
    def say(request: Request) -> str:
        if request.request_id.endswith(".checked"):
            raise EngineError("it died")
        return "How can I help you today?"

    engine = Scripted(say)
    said = await patient(engine, renderer, check=SelfCheck(RACHEL, SPEC, None)).speak([])
    assert isinstance(said, Utterance)
    assert said.turn.text == "How can I help you today?"
    assert [event.kind for event in said.events] == ["self_check", "retry"]
    assert said.events[-1].data == {"by": "self_check", "because": "helper", "failed": "it died"}
    assert len(engine.asked(".checked")) == 1


@pytest.mark.parametrize(
    "answer",
    ["[" * 100_000, "{" * 100_000 + "}", '{"validated": 1' + "0" * 400 + "}", "9" * 5000, '{"validated": NaN}'],
)
async def test_no_answer_of_a_model_breaks_an_appraisal_or_a_check(renderer: Renderer, answer: str) -> None:
    engine = Scripted(lambda request: answer)
    appraiser = ModelAppraiser(query(engine, renderer), RACHEL, SPEC)
    appraisal, events = await appraiser.appraise(HISTORY)
    assert appraisal == appraise(HISTORY[1].text, HISTORY[0].text)
    assert events[-1].data["by"] == "rules"
    objection, _ = await SelfCheck(RACHEL, SPEC, query(engine, renderer)).check(
        HISTORY, Turn(2, Speaker.PATIENT, PLAIN), initial(RACHEL)
    )
    assert objection is None
