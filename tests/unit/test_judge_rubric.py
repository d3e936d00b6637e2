"""Rubrics: those that ship, what is refused and how it is said, and what a change of an item changes."""

import json
from pathlib import Path

import pytest

from harness.errors import RubricError
from harness.judges import library
from harness.judges.rubric import Rubric

DIRS = library.folders(None)
ALL = library.load(sorted(library.find(DIRS)), DIRS)
IDS = {
    "safety-gate": "tier risk-unaddressed leading-denial no-help-offered imminent-not-urgent contact-ended shamed death-agreed "
    "method-details help-discouraged diagnosis-made vague-asking pasted-resources walls-of-text false-alarm",
    "harm-boundaries": "delusion-affirmed flattery false-memory false-humanity medication-orders dependency-fostered",
    "mi-coding": "question reflection advice confrontation affirmation autonomy evoking partnership empathy",
    "cbt-skills": "agenda feedback guided-discovery key-thought strategy between-sessions",
    "alliance": "goals tasks bond rupture-noticed rupture-repaired",
    "empathy": "emotional-reaction interpretation exploration",
    "ai-talk": "templated-openings empty-validation over-long-turns lost-facts invented-facts",
    "patient-fidelity": "contradicts-persona leaks-layer acts-as-helper resistance-as-specified recovers-without-cause",
}
"""What the labels of the written sessions call them."""
RUBRIC = """
version: 1
id: mine
revision: 1
kind: quality
target: therapist
source: {based_on: nothing, licence: Apache-2.0, wording: own}
items:
  - id: one
    ask: Is it so?
    answers: [{id: "no", anchor: It is not, value: 0}, {id: "yes", anchor: It is, value: 1}]
    evidence: {required_for: ["yes"], speaker: therapist}
    merge: any
"""


def test_the_rubrics_that_ship_have_the_items_that_labels_name() -> None:
    assert {rubric.id for rubric in ALL} == IDS.keys()
    for rubric in ALL:
        assert set(IDS[rubric.id].split()) <= {item.id for item in rubric.items}


def test_labels_of_written_sessions_are_answers_of_the_rubrics() -> None:
    from harness.judges.written.library import sessions

    by_id = {rubric.id: rubric for rubric in ALL}
    checked = 0
    for session in sessions():
        for rubric_id, items in session.labels["session"].items():
            for item_id in items:
                item = by_id[rubric_id].item(item_id)
                answer = session.answer(rubric_id, item_id)
                assert answer in [*(a.id for a in item.answers), *item.abstain], (
                    session.id,
                    rubric_id,
                    item_id,
                    answer,
                )
                checked += 1
    assert checked > 500


def _mistakes(text: str, old: str, new: str) -> list[str]:
    assert old in text
    with pytest.raises(RubricError) as caught:
        library.parse(text.replace(old, new), "f.yaml")
    return list(caught.value.lines)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('{id: "no", anchor', "{id: no, anchor", "put it in quotes"),
        ("merge: any", "merge: sometimes", "items[0].merge: expected one of any, all, min, max, sum, mean, whole"),
        ("merge: any", "merge: mean", "mean is for turns"),
        ("merge: any\n", "", "items[0].merge: missing"),
        ("merge: any", "merge: any\n    guidence: x", "items[0].guidence: unknown key (did you mean guidance"),
        ('required_for: ["yes"]', 'required_for: ["maybe"]', "no answer 'maybe'"),
        ("value: 1}", "value: 0}", "all have the same value"),
        ("value: 1}", "value: .nan}", "items[0].answers[1].value"),
        (
            "anchor: It is, value: 1}",
            "anchor: It is, value: 1, severity: red}",
            "severity belongs to a rubric of kind gate",
        ),
        ("kind: quality", "kind: gate", "at least one answer of severity red"),
        ("merge: any", "merge: any\n    needs: [{item: one, answers: ['yes']}]", "needs form a cycle: one -> one"),
        ("merge: any", "merge: any\n    needs: [{item: two, answers: ['yes']}]", "no item 'two'"),
        (
            "merge: any",
            "merge: any\n    planted: [{speaker: therapist, place: openings, before: a, text: b, answer: 'yes'}]",
            "before and instead need place turn",
        ),
        (
            "merge: any",
            "merge: any\n    unit: turn\n    planted: [{speaker: therapist, place: openings, text: b, answer: 'yes'}]",
            "place openings needs an item about the session",
        ),
        ("version: 1", "version: 1\nversion: 1", "given twice"),
        ("version: 1", "version: 2", "version: expected 1"),
        ("id: one", "id: One Two", "text that matches"),
        ("kind: quality", "kind: [quality]", "kind: expected one of gate"),
    ],
)
def test_a_mistake_is_one_clear_line(old: str, new: str, said: str) -> None:
    lines = _mistakes(RUBRIC, old, new)
    assert any(said in line for line in lines), lines
    assert all(line.startswith("f.yaml: ") and "\n" not in line for line in lines)


TEMPLATE = (Path(library.__file__).parent / "template.yaml").read_text().format(id='"mine"')
ASK = "ask: Did therapist and patient agree on a step before the next session?"
YES = '{id: "yes", anchor: "A concrete step was agreed on", value: 1}'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  - id: agreed-step", "\t- id: agreed-step", "line 15, column 1: not valid YAML: found a character that can't stand"),
        (TEMPLATE[TEMPLATE.index("items:") :], "items: []\n", "items: expected a list of 1 to 60 entries"),
        (TEMPLATE[TEMPLATE.index("items:") :], "items: [hello]\n", "items[0]: expected keys id, ask"),
        (TEMPLATE[TEMPLATE.index("items:") :], "", "items: missing; expected a list"),
        (f"      - {YES}\n", "", "items[0].answers: expected a list of 2 to 8 entries"),
        ("value: 1}", 'value: "one"}', "items[0].answers[1].value: expected a number from -100 to 100, found 'one'"),
        (ASK, "ask: ''", "items[0].ask: expected text of 1 to 400 characters, found ''"),
        (ASK, "ask: [a]", "items[0].ask: expected text of 1 to 400 characters, found a list of 1"),
        (ASK, f"ask: {'x' * 500}", "items[0].ask: expected text of 1 to 400 characters, found 500 characters of text"),
        ("kind: quality", "kind: quallity", "kind: expected one of gate, quality, coding, fidelity, found 'quallity'"),
        ("target: therapist", "target: doctor", "target: expected one of patient, therapist, found 'doctor'"),
        ("unit: session", "unit: exchange", "unit: expected one of session, turn, found 'exchange'"),
        ("revision: 1", "revision: one", "revision: expected an integer from 1 to 10000, found 'one'"),
        ("wording: own", "wording: stolen", "source.wording: expected one of own, adapted, found 'stolen'"),
        ("speaker: therapist}", "speaker: nurse}", "items[0].evidence.speaker: expected one of patient, therapist or nothing"),
        ("abstain: [cannot_tell]", "abstain: [dunno]", "items[0].abstain[0]: expected one of not_applicable, cannot_tell"),
        ('        answer: "yes"', '        answer: "no"', "planted: the answer 'no' is also the answer without the planted text"),
        ('        answer: "yes"', '        answer: "perhaps"', "planted: no answer 'perhaps'; expected one of no, yes"),
        ('        answer: "yes"', '        answer: "yes"\n        place: everywhere', "place: expected one of turn, openings"),
        ('id: "mine"', "id: 7", 'found 7; put it in quotes, as "yes" or "0"'),
        ('required_for: ["yes"]', "required_for: [yes]", 'found true; put it in quotes, as "yes" or "0"'),
        ("unit: session ", "sees: {persona: some}\nunit: session ", "sees.persona: expected one of none, full, found 'some'"),
        ("value: 1}", "value: 1, severity: orange}", "severity: expected one of red, yellow or nothing, found 'orange'"),
    ],
)  # fmt: skip
def test_a_slip_in_the_template_is_one_line(old: str, new: str, said: str) -> None:
    assert old in TEMPLATE
    with pytest.raises(RubricError) as caught:
        library.parse(TEMPLATE.replace(old, new, 1), "f.yaml")
    [line] = caught.value.lines
    assert said in line, line
    assert not said.endswith("a list of 1") or line.endswith("found a list of 1")


@pytest.mark.parametrize(
    "text", ["", "- 1", "just words", "{", "a: [", "!!python/object:os.system {}", "\x00", "2020-01-01"]
)
def test_what_is_no_rubric_is_refused_without_a_traceback(text: str) -> None:
    with pytest.raises(RubricError):
        library.parse(text, "f.yaml")


def test_a_users_folder_comes_first_and_a_file_is_called_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RUBRIC)
    dirs = library.folders(tmp_path)
    assert [rubric.id for rubric in library.load(["mine", "alliance"], dirs)] == ["mine", "alliance"]
    (tmp_path / "alliance.yaml").write_text(RUBRIC)
    with pytest.raises(RubricError, match="expected 'alliance' as the file is called, found 'mine'"):
        library.load(["alliance"], dirs)
    with pytest.raises(RubricError, match=r"no rubric 'alliances' \(did you mean alliance\?"):
        library.load(["alliances"], dirs)


def test_a_changed_item_has_another_hash_and_the_others_keep_theirs() -> None:
    rubric = next(rubric for rubric in ALL if rubric.id == "alliance")
    data = rubric.model_dump(mode="json")
    data["items"][0]["ask"] += " Really?"
    data["items"][1]["planted"] = [{"speaker": "therapist", "text": "x y z", "answer": "0", "clean": "1"}]
    data["revision"] = 2
    changed = Rubric.model_validate_json(json.dumps(data))
    same = [rubric.item_hash(a) == changed.item_hash(b) for a, b in zip(rubric.items, changed.items, strict=True)]
    assert same == [False, True, True, True, True]


def test_stages_put_first_what_others_need() -> None:
    rubric = next(rubric for rubric in ALL if rubric.id == "safety-gate")
    first, second = rubric.stages()
    assert "tier" in {item.id for item in first}
    assert {item.id for item in second} == {item.id for item in rubric.items if item.needs}
