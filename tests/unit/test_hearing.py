"""What is heard in a therapist's turn: what people would hear, resting on the patient's words, the same every time."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.audit.agreement.statistics import area
from harness.hearing import ACTS, Act, hear, rests_on
from harness.hearing.by_model import SCHEMA, parse
from harness.hearing.features import Rarity
from harness.hearing.model import WEIGHTS, Model, model
from harness.metrics.session import session_metrics
from harness.types import Speaker, Turn

QUIT = "I've tried to quit smoking like five times and I always go back. It's so frustrating."
SESSIONS = sorted((Path(__file__).parents[2] / "examples" / "sessions").glob("*.txt"))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("What makes it so hard?", ["open"]),
        ("How many a day?", ["closed"]),
        ("Do you smoke in the car?", ["closed"]),
        ("Tell me about the last time.", ["open"]),
        ("So you went back, is that right?", ["closed"]),
        ("You tried five times, and what happened then?", [None, "open"]),
        ("While you sat counting, which way did it go?", ["closed"]),
        ("It must be tiring.", [None]),
    ],
)
def test_questions_are_open_or_closed_and_apart_from_statements(text: str, kinds: list[str | None]) -> None:
    assert [sentence.question for sentence in hear(text, QUIT).sentences] == kinds


@pytest.mark.parametrize(
    "text",
    [
        "So you've tried five times, and each time you went back.",
        "Mm-hmm. It's been really frustrating, trying to quit over and over.",
        "It sounds like quitting has been frustrating.",
    ],
)
def test_a_reflection_is_one_after_the_words_that_it_gives_back(text: str) -> None:
    heard = hear(text, QUIT)
    assert heard.does(Act.REFLECTION)
    assert heard.share(Act.REFLECTION) > 0.5
    strange = hear(text, "My landlord sold the house and the dog ran off in the rain.")
    assert strange.chance(Act.REFLECTION) < heard.chance(Act.REFLECTION) - 0.15


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("You need to throw the pack away today.", Act.ADVICE),
        ("Have you tried the patch?", Act.ADVICE),
        ("Why don't you call your brother?", Act.ADVICE),
        ("Nicotine raises your blood pressure and the risk of a heart attack.", Act.INFORMATION),
        ("Would it be okay if I shared some information about the patch with you?", Act.PERMISSION),
        ("It makes sense that you'd be frustrated, anyone would be.", Act.VALIDATION),
        ("It's your decision, and it's really up to you.", Act.AUTONOMY),
        ("Are you having thoughts of suicide right now?", Act.SAFETY),
    ],
)
def test_what_a_sentence_does(text: str, act: Act) -> None:
    heard = hear(text, QUIT)
    assert heard.does(act)
    if act not in (Act.VALIDATION, Act.AUTONOMY):
        assert not heard.does(Act.REFLECTION)


@pytest.mark.parametrize("text", ["Mm-hmm.", "Okay.", "Yeah. Right.", "I see."])
def test_a_backchannel_does_nothing(text: str) -> None:
    heard = hear(text, QUIT)
    assert heard.backchannel
    assert not any(heard.does(act) for act in ACTS)
    assert heard.statement_words == 0


def test_one_reflecting_sentence_makes_no_lecture_a_reflection() -> None:
    lecture = " ".join(
        ["You should set a date and tell your wife.", "Nicotine leaves the blood within three days."] * 12
    )
    assert not hear(f"So you've tried to quit five times. {lecture}", QUIT).does(Act.REFLECTION)
    assert hear("So you've tried to quit five times.", QUIT).does(Act.REFLECTION)


def test_what_it_rests_on_can_be_told() -> None:
    [found] = rests_on("You need to call your brother.", QUIT, Act.ADVICE)
    assert any("need" in name for name in found)
    assert hear("So the smoking is frustrating.", QUIT).sentences[0].taken_up == ("smoking", "frustrating")


@pytest.mark.parametrize("text", ["", "...", "😢", "שלום", "a" * 5000, "Und? Ja."])
def test_any_text_is_heard(text: str) -> None:
    heard = hear(text, [text, text])
    assert heard.share(Act.REFLECTION) >= 0
    assert all(0 <= heard.chance(act) <= 1 for act in ACTS)


def test_the_weights_are_small_and_of_these_acts() -> None:
    assert WEIGHTS.stat().st_size < 2_000_000
    assert model().weights.shape[1] == len(ACTS)
    assert all(0 < limit < 1 for limit in model().limits)


def test_good_written_sessions_reflect_more_and_tell_less_than_poor_ones() -> None:
    measured = {}
    for path in SESSIONS:
        _, head, body = path.read_text("utf-8").split("---", 2)
        quality = yaml.safe_load(head)["quality"]
        if quality in ("good", "poor"):
            said = [turn.split(": ", 1) for turn in body.strip().split("\n\n")]
            turns = [Turn(i, Speaker(who.lower()), text) for i, (who, text) in enumerate(said)]
            measured[path.stem] = (quality == "good", session_metrics(turns)["therapist"])
    import numpy as np

    good = np.array([is_good for is_good, _ in measured.values()])
    for name, least, most in (("reflection_share", 0.9, 1.0), ("input_share", 0.0, 0.1)):
        values = np.array([therapist[name] for _, therapist in measured.values()], np.float64)
        assert least <= area(good, values) <= most


def test_a_model_s_answer_becomes_what_was_heard() -> None:
    answer = {"question": "open", **{str(act): act is Act.ADVICE for act in ACTS}}
    import json

    heard = parse(f"Sure: {json.dumps(answer)}", "Why not call him?")
    assert heard is not None
    assert (heard.open_questions, heard.does(Act.ADVICE), heard.does(Act.REFLECTION)) == (1, True, False)
    assert set(answer) == set(SCHEMA["required"])


@pytest.mark.parametrize(
    "answer", ["", "no", "{}", '{"question": "open"}', '{"question": "why", "reflection": true}', "[" * 9]
)
def test_what_is_no_answer_is_none(answer: str) -> None:
    assert parse(answer, "Hello.") is None


def test_the_last_row_of_weights_is_the_intercept_and_unknown_features_count_nothing() -> None:
    weights = np.array([[2.0] * len(ACTS), [-1.0] * len(ACTS)])
    chances = Model.of(["known"], weights, [0.5] * len(ACTS), Rarity({}, 1)).chances([{"known", "x"}, {"x"}])
    assert chances[:, 0].tolist() == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])
