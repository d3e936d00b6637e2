"""A direct, calm question about a danger opens what the patient holds back about that danger, and about no other."""

import pytest

from harness.agents.appraisal import Appraisal, Listener
from harness.agents.directions import direction, wordings
from harness.agents.inner_state import InnerState, step
from harness.paths import persona_dir
from harness.personas.library import load
from harness.personas.schema import Persona, Risk, RiskKind

BASE = load(["two-cups"], [persona_dir()])[0]
SUICIDE, SELF_HARM, VIOLENCE, CHILD = RiskKind.SUICIDE, RiskKind.SELF_HARM, RiskKind.VIOLENCE, RiskKind.CHILD_AT_RISK

ASKED = [
    ("Are you thinking of killing yourself?", "en", {SUICIDE}),
    ("Do you ever think about ending your life?", "en", {SUICIDE}),
    ("Is it that you wish you were dead?", "en", {SUICIDE}),
    ("Are there nights when you hope to die?", "en", {SUICIDE}),
    ("Have you had thoughts of suicide?", "en", {SUICIDE}),
    ("Do you hurt yourself?", "en", {SELF_HARM}),
    ("Have you been cutting yourself again?", "en", {SELF_HARM}),
    ("Is there any self-harm?", "en", {SELF_HARM}),
    ("Do you think about hurting someone?", "en", {VIOLENCE}),
    ("Have you ever wanted to kill anybody?", "en", {VIOLENCE}),
    ("Are you afraid that you could hit your wife?", "en", {VIOLENCE}),
    ("Are you thinking of hurting other people?", "en", {VIOLENCE}),
    ("Are you afraid of hurting the baby?", "en", {CHILD}),
    ("Has anyone hurt your daughter?", "en", {CHILD}),
    ("Are the children safe?", "en", {CHILD}),
    ("Do you leave him on his own at night?", "en", {CHILD}),
    ("Do you have thoughts of hurting her?", "en", {VIOLENCE, CHILD}),
    ("Do you think about hurting yourself, or about killing yourself?", "en", {SELF_HARM, SUICIDE}),
    ("How do you sleep?", "en", set()),
    ("Did the shop end up closing?", "en", set()),
    ("You told me that you hurt your knee. How is it?", "en", set()),
    ("I know that you don't want to hurt anyone.", "en", set()),
    ("Denken Sie daran, sich das Leben zu nehmen? Möchten Sie nicht mehr leben?", "de", {SUICIDE}),
    ("Haben Sie den Gedanken, jemandem etwas anzutun?", "de", {VIOLENCE}),
    ("¿Piensa en el suicidio?", "es", {SUICIDE}),
    ("¿Ha pensado en hacer daño a alguien?", "es", {VIOLENCE}),
    ("Pensez-vous au suicide ?", "fr", {SUICIDE}),
    ("Avez-vous peur de faire mal à votre enfant ?", "fr", {CHILD}),
]


def heard(text: str, language: str = "en") -> Appraisal:
    return Listener(language).hear("I'm tired, that's all.", text)


@pytest.mark.parametrize(("text", "language", "kinds"), ASKED, ids=[f"{row[1]}-{row[0][:44]}" for row in ASKED])
def test_it_is_heard_which_danger_is_asked_about(text: str, language: str, kinds: set[RiskKind]) -> None:
    appraisal = heard(text, language)
    assert appraisal.dangers == kinds
    assert appraisal.asked_risk == float(bool(kinds))


def holding_back(kind: RiskKind) -> Persona:
    layer = BASE.disclosure[0].model_copy(update={"about": kind, "partial": "You say: some nights, yes"})
    return BASE.model_copy(update={"risk": Risk.MODERATE, "risk_kinds": (kind,), "disclosure": (layer,)})


QUESTION = {
    SUICIDE: "Are you thinking of killing yourself?",
    SELF_HARM: "Do you hurt yourself?",
    VIOLENCE: "Do you think about hurting someone?",
    CHILD: "Are you afraid of hurting the baby?",
}


@pytest.mark.parametrize("about", list(RiskKind))
@pytest.mark.parametrize("asked", list(RiskKind))
@pytest.mark.parametrize("trust", [0.0, 0.5])
def test_a_question_opens_what_it_is_about_and_nothing_else(about: RiskKind, asked: RiskKind, trust: float) -> None:
    persona = holding_back(about)
    words, after = direction(step(InnerState(turn=2, trust=trust), heard(QUESTION[asked]), persona), persona)
    assert words is not None
    assert ("some nights, yes" in words) == (about is asked)
    assert any(wording in words for wording in wordings("en").words["deny"]) == (about is not asked)
    assert after.told == 0  # part of the truth is not the layer


def test_of_two_dangers_the_one_that_was_asked_about_is_answered() -> None:
    layers = tuple(
        BASE.disclosure[0].model_copy(update={"about": kind, "partial": f"You say something of {kind.value}"})
        for kind in (SUICIDE, VIOLENCE)
    )
    persona = BASE.model_copy(update={"risk": Risk.MODERATE, "risk_kinds": (SUICIDE, VIOLENCE), "disclosure": layers})
    words, _ = direction(step(InnerState(turn=2), heard(QUESTION[VIOLENCE]), persona), persona)
    assert words is not None
    assert "something of violence" in words


def test_a_journal_that_does_not_say_which_danger_asked_about_any() -> None:
    assert Appraisal(asked_risk=1.0).dangers == frozenset(RiskKind)
