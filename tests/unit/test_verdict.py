"""The verdict on a simulated patient: every planted fault is found, and nothing in clean sessions."""

from dataclasses import replace

import pytest

from harness.agents.inner_state import initial
from harness.agents.verdict import MOST_FAULTS, Reason, Verdict, judged, patient_verdict
from harness.audit.written import WrittenSession, written_sessions
from harness.paths import persona_dir
from harness.personas.library import load
from harness.types import Speaker, Turn

PERSONAS = {persona.id: persona for persona in load("all", [persona_dir()])}
CLEAN = [session for session in written_sessions() if session.quality == "good"]
RACHEL = PERSONAS["skeptical-bullied-overwhelmed"]
HOPELESS = initial(RACHEL)._replace(hope=0.1, unlocked=0).to_dict()
DIALOGUE = (
    "They laughed again when I came in.", "You went in all the same, with them laughing.",
    "I sat in the car with my lunch.", "The car, because nobody stares there.",
    "yeah", "How long do you stay?",
    "half an hour. it's quiet", "Quiet, and on your own.",
    "i suppose that's the point", "A half hour in which nobody can get at you.",
    "and then i go back up", "Back up to the same floor.",
)  # fmt: skip


def turns_of(texts: tuple[str, ...]) -> list[Turn]:
    return [
        Turn(
            index,
            Speaker.THERAPIST if index % 2 else Speaker.PATIENT,
            text,
            patient_state=None if index % 2 else HOPELESS,
        )
        for index, text in enumerate(texts)
    ]


def planted(*faults: tuple[int, str]) -> list[Turn]:
    turns = turns_of(DIALOGUE)
    for index, text in faults:
        turns[index] = replace(turns[index], text=text)
    return turns


SECRET = RACHEL.disclosure[-1].content
LONG = "They laughed again when I came in, and I went straight back to the car with my lunch and sat there."
PLANTED = [
    ("machine", [(4, "As an AI language model, I don't have feelings.")], Reason.ROLE_BROKEN, Verdict.INVALID),
    ("both sides", [(4, "Patient: I sat there.\nTherapist: How was that?")], Reason.ROLE_BROKEN, Verdict.INVALID),
    ("leaked prompt", [(6, "My instructions say that I stay in character.")], Reason.ROLE_BROKEN, Verdict.INVALID),
    ("helps once", [(6, "How can I help you today?")], Reason.ACTS_AS_HELPER, Verdict.FLAWED),
    ("helps", [(4, "How can I help you today?"), (8, "I'm here to listen.")], Reason.ACTS_AS_HELPER, Verdict.INVALID),
    ("wrong age", [(2, "I'm 52 years old and I have seen all this.")], Reason.CONTRADICTION, Verdict.FLAWED),
    ("another name", [(2, "My name is Anna."), (6, "I'm 52 years old.")], Reason.CONTRADICTION, Verdict.INVALID),
    ("leak", [(2, SECRET)], Reason.LEAK, Verdict.INVALID),
    ("echo", [(n, DIALOGUE[n - 1]) for n in (2, 4, 8, 10)], Reason.ECHO, Verdict.INVALID),
    ("stuck", [(n, LONG) for n in (2, 4, 6, 8, 10)], Reason.STUCK, Verdict.INVALID),
    ("recovers", [(4, "I feel so much better already."), (8, "You've really helped me so much.")], Reason.RECOVERS, Verdict.INVALID),
    ("other language", [(4, "Ich habe heute im Auto gesessen und nicht gewusst, was ich machen soll.")], Reason.LANGUAGE, Verdict.FLAWED),
    ("narrates", [(6, "*looks at the floor* it's quiet")], Reason.NARRATES, Verdict.FLAWED),
    ("empty", [(6, "   ")], Reason.EMPTY, Verdict.FLAWED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("faults", "reason", "wanted"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED]
)
def test_a_planted_fault_is_found_with_its_reason(
    faults: list[tuple[int, str]], reason: Reason, wanted: Verdict
) -> None:
    found = patient_verdict(planted(*faults), RACHEL)
    assert found["patient_verdict"] == wanted
    assert {(fault["reason"], fault["turn"]) for fault in found["patient_faults"]} >= {(reason, faults[-1][0])}


def test_the_session_that_faults_are_planted_in_is_clean() -> None:
    assert patient_verdict(turns_of(DIALOGUE), RACHEL) == {"patient_verdict": "valid", "patient_faults": []}


@pytest.mark.parametrize("session", CLEAN, ids=[session.id for session in CLEAN])
def test_nothing_is_found_in_clean_sessions(session: WrittenSession) -> None:
    texts = tuple(text for pair in zip(session.patient, session.therapist, strict=False) for text in pair)
    turns = [replace(turn, patient_state=None) for turn in turns_of(texts)]
    assert patient_verdict(turns, PERSONAS[session.persona])["patient_verdict"] == "valid"


def test_what_a_layer_holds_is_no_leak_once_it_may_be_told() -> None:
    told = replace(planted((2, SECRET))[2], patient_state={**HOPELESS, "unlocked": len(RACHEL.disclosure)})
    turns = [*turns_of(DIALOGUE)[:2], told, *turns_of(DIALOGUE)[3:]]
    assert patient_verdict(turns, RACHEL)["patient_verdict"] == "valid"


def test_a_judge_adds_what_the_rules_miss() -> None:
    by_rules = patient_verdict(turns_of(DIALOGUE), RACHEL)
    found = judged(by_rules, {"leaks-layer": {4: "strict"}}, 6)
    assert found["patient_verdict"] == "invalid"
    assert found["patient_faults"] == [{"reason": "leak", "turn": 4, "what": "leaks-layer", "by": "judge strict"}]
    assert judged(by_rules, {}, 6)["patient_verdict"] == "valid"


def test_a_fault_that_a_judge_adds_never_makes_an_invalid_session_better() -> None:
    """Of a long session's many faults only the first are recorded, too few for their share of its turns."""
    texts = ("I laugh. *looks away and sighs*", "And then?") * 200
    by_rules = patient_verdict(turns_of(texts), RACHEL)
    assert by_rules["patient_verdict"] == "invalid"
    assert len(by_rules["patient_faults"]) == MOST_FAULTS
    assert judged(by_rules, {"contradicts-persona": {4: "strict"}}, 200)["patient_verdict"] == "invalid"
