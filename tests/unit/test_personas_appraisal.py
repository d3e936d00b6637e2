"""Appraisal: what a therapist's turn did, by rules, or as the patient's own model graded it."""

import json

import pytest

from harness.agents.appraisal import APPRAISAL_SCHEMA, Appraisal, Listener, appraisal_prompt, appraise, parse_appraisal

HEARD = "They laughed in the kitchen when I came in, and I went straight back to my desk with my lunch."


def test_a_validating_turn_is_felt_as_validation_and_not_as_rush() -> None:
    did = appraise("That sounds really painful. No wonder you went back. What was it like at your desk?", HEARD)
    assert did.validated >= 0.5
    assert did.asked >= 0.5
    assert did.advised == did.rushed == did.misunderstood == 0


def test_taking_up_the_patient_s_own_words_is_listening() -> None:
    text = "They laughed, and you took your lunch out of the kitchen."
    assert appraise(text, HEARD).listened > appraise(text, "I sleep badly.").listened
    assert appraise("It sounds like the kitchen was not safe, and the desk was.", HEARD).listened >= 0.4


@pytest.mark.parametrize(
    "text",
    [
        "You should talk to them. Try to smile. You need to set goals.",
        "Here is a plan:\n1. Wake up early\n2. Go for a run\n3. Call a friend\n4. Write a list",
        "Have you tried meditation? Why don't you join a club? I recommend yoga.",
    ],
)
def test_being_told_what_to_do_is_advice(text: str) -> None:
    assert appraise(text, HEARD).advised >= 0.6


def test_questions_in_a_row_and_lectures_are_rush() -> None:
    assert appraise("Did it hurt? Who was it? When? Was it loud? Are you sure?").rushed >= 0.6
    assert appraise("Feelings are a part of life and a part of work. " * 20).rushed >= 0.5
    assert appraise("Let's move on. Simply replace the thought, right away.").rushed >= 0.6


def test_gentle_words_take_the_edge_off_haste() -> None:
    hasty = "Let's go ahead and try this."
    assert appraise(f"{hasty} Take your time, there is no rush.").rushed < appraise(hasty).rushed


@pytest.mark.parametrize(
    "text", ["Calm down, it's not that bad.", "At least you have work. Cheer up!", "You're overreacting."]
)
def test_being_brushed_aside_is_being_misunderstood(text: str) -> None:
    assert appraise(text, HEARD).misunderstood >= 0.5


def test_one_open_question_counts_more_than_several_or_a_closed_one() -> None:
    one = appraise("What happened then?").asked
    assert one > appraise("Are you sure?").asked
    assert one > appraise("What happened? Where? Who? How?").asked


def test_curly_apostrophes_are_apostrophes() -> None:
    assert appraise("It\u2019s not that bad, don\u2019t worry.") == appraise("It's not that bad, don't worry.")


@pytest.mark.parametrize("text", ["", "   ", "...", "\U0001f600", "\u202e"])
def test_a_turn_without_words_does_nothing(text: str) -> None:
    assert appraise(text, HEARD) == Appraisal()


def test_a_language_without_rules_is_seen_by_questions_length_and_shared_words_only() -> None:
    heard = "In de keuken begonnen ze allemaal te lachen toen ik binnenkwam."
    did = Listener("nl").hear(heard, "Ze lachten in de keuken toen je binnenkwam. Hoe was dat voor jou?")
    assert did.listened > 0
    assert did.asked > 0
    assert did.rushed == 0
    assert max(did.advised, did.misunderstood, did.confusing) < 0.1


def test_a_language_that_is_not_the_patient_s_is_not_understood() -> None:
    did = Listener("en").hear(HEARD, "Sie haben gelacht, und Sie gingen zurück an Ihren Tisch. Wie war das für Sie?")
    assert did.confusing == 1
    assert did.listened == did.asked == 0


def test_the_model_s_answer_is_read_also_with_words_around_it() -> None:
    grades = dict.fromkeys(APPRAISAL_SCHEMA["required"], 0) | {"validated": 3, "rushed": 1}
    did = parse_appraisal(f"Sure: {json.dumps(grades)} as asked")
    assert did is not None
    assert did == Appraisal(validated=1.0, rushed=1 / 3)


@pytest.mark.parametrize("answer", ["", "{}", "no", "{bad", '{"validated": 9}', "[]", '{"validated": null}', "}{"])
def test_what_is_no_appraisal_is_none(answer: str) -> None:
    assert parse_appraisal(answer) is None


def test_a_grade_off_the_scale_is_no_appraisal() -> None:
    grades = dict.fromkeys(APPRAISAL_SCHEMA["required"], 0) | {"validated": 4}
    assert parse_appraisal(json.dumps(grades)) is None


def test_the_prompt_holds_both_turns_and_every_grade() -> None:
    prompt = appraisal_prompt("Rachel", HEARD, "That sounds hard.")
    assert HEARD in prompt
    assert all(f"{grade}:" in prompt for grade in APPRAISAL_SCHEMA["required"])


@pytest.mark.parametrize(
    "said",
    [
        "Distrust is healthy, and eighty will do. I'm not trying to talk you out of yourself.",
        "i'm glad of the crackers. how was it, behind that door?",
        "Careful. All right, I gave it the wrong name. Being on duty, more like, with nobody to take over from you.",
        "They're saving you a spot on the steps. Can I toss out a thought? And you can toss it right back.",
    ],
)
def test_a_short_odd_sentence_is_not_confusing(said: str) -> None:
    assert Listener().hear(HEARD, said).confusing < 0.3
