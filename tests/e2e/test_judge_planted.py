"""The scripted judge finds every planted fault, wherever it stands and however small its window is."""

from pathlib import Path

import pytest

from harness.judges import prompt
from harness.judges.judging import Judged, Plan, Windows, question_tokens
from harness.judges.rubric import Item, Planted, Rubric
from harness.judges.subject import Subject
from harness.judges.written.variants import Turns, place, planted, with_turn
from harness.types import Speaker
from tests.fixtures.judging import judge, judged, long_session, rubrics, scripted, subject

GATES = rubrics("safety-gate", "harm-boundaries")
WINDOWS = (2048, 32_768)


def _faults() -> list[tuple[Rubric, Item, Planted]]:
    """What can be planted into a session that has no risk in it."""
    return [
        (rubric, item, plant)
        for rubric in GATES
        for item in rubric.items
        for plant in item.planted
        if not item.needs and item.id != "tier"
    ]


def _edges(folder: Path, turns: Turns) -> list[int]:
    """Therapist turns at the borders of the windows of 2,048 tokens: the last of one, and the first of the next."""
    made = judge(folder, scripted(2048, GATES), 2048)
    split = Windows(made, subject("edges", turns), False, question_tokens(made, Plan(GATES))).split
    made.judgements.close()
    borders = [at for window in split.windows for at in (window.first, window.end - 1, window.end)]
    return sorted({at | 1 for at in borders if (at | 1) < len(turns)})


def _at(turns: Turns, number: int, plant: Planted) -> tuple[Turns, Turns]:
    if plant.speaker == "patient":
        number = max(0, number - 1)
    clean, faulty = planted(turns, number, plant.text, before=plant.before, instead=plant.instead)
    return clean, faulty.turns


def _verdicts(done: Judged) -> list[tuple[str, str, str, str | None, float | None]]:
    return [(s.rubric, s.item, str(s.status), s.answer, s.value) for s in done.scores]


@pytest.mark.parametrize("exchanges", [6, 40, 200])
async def test_every_planted_fault_is_found_with_any_window(exchanges: int, tmp_path: Path) -> None:
    turns = long_session(exchanges)
    numbers = [1, place(turns, Speaker.THERAPIST, 0.5), len(turns) - 1, *_edges(tmp_path, turns)]
    if exchanges == 200:
        assert len(numbers) > 20, "the small window should have many edges"
    faults = _faults()
    cases: list[tuple[Subject, Subject, Rubric, Item]] = []
    for at in range(max(len(numbers), len(faults)) if exchanges < 200 else 24):
        rubric, item, plant = faults[at % len(faults)]
        clean, faulty = _at(turns, numbers[at % len(numbers)], plant)
        cases.append((subject(f"c{at}", clean), subject(f"f{at}", faulty), rubric, item))
    found: dict[int, list[Judged]] = {}
    for window in WINDOWS:
        engine = scripted(window, GATES)
        folder = tmp_path / str(window)
        folder.mkdir()
        everything = [each for clean, faulty, _, _ in cases for each in (clean, faulty)]
        found[window] = await judged(folder, engine, everything, GATES, window=window)
    small, large = found[2048], found[32_768]
    assert max(score.windows for done in small for score in done.scores) > (10 if exchanges == 200 else 0)
    assert {score.windows for done in large for score in done.scores} == {1}
    assert [_verdicts(done) for done in small] == [_verdicts(done) for done in large]
    for place_of, (_, judged_faulty, rubric, item) in enumerate(cases):
        clean_done, faulty_done = small[2 * place_of], small[2 * place_of + 1]
        hit = next(s for s in faulty_done.scores if (s.rubric, s.item) == (rubric.id, item.id))
        assert hit.answer == "yes", f"{item.id} was not found in {judged_faulty.session_id}"
        assert hit.evidence
        assert next(s for s in clean_done.scores if (s.rubric, s.item) == (rubric.id, item.id)).answer == "no"
        gate = next(gate for gate in faulty_done.gates if gate.rubric == rubric.id)
        red = any(answer.severity == "red" for answer in item.answers)
        assert (gate.result == "fail") is red
        assert all(gate.result in ("pass", "not_exercised") for gate in clean_done.gates), clean_done.gates


async def test_risk_that_was_voiced_and_the_answers_to_it(tmp_path: Path) -> None:
    """A session in which risk is voiced and every step is taken passes; with any step left out, it fails."""
    safety = rubrics("safety-gate")
    steps = [item for item in safety[0].items if item.needs and item.id != "imminent-not-urgent"]
    turns = long_session(20)
    good = turns
    for at, item in enumerate(steps):
        plant = item.planted[0]
        assert plant.instead is not None
        good = with_turn(with_turn(good, 8 + 2 * at, plant.before or ""), 9 + 2 * at, plant.instead)
    bad = {item.id: with_turn(good, 9 + 2 * at, item.planted[0].text) for at, item in enumerate(steps)}
    everything = [subject("good", good), *(subject(name, changed) for name, changed in bad.items())]
    for window in WINDOWS:
        folder = tmp_path / str(window)
        folder.mkdir()
        first, *others = await judged(folder, scripted(window, safety), everything, safety, window=window)
        assert first.gates[0].result == "pass", first.gates
        for done in others:
            item = safety[0].item(done.subject.session_id)
            red = item.answers[1].severity == "red"
            assert done.gates[0].result == ("fail" if red else "pass")
            assert item.id in (done.gates[0].red if red else done.gates[0].yellow)


def test_the_question_comes_last_and_the_transcript_before_it() -> None:
    rubric = GATES[0]
    shown = prompt.messages("BODY", prompt.question(rubric, rubric.items[0]))
    assert [message.role for message in shown] == ["system", "user", "assistant", "user"]
    assert shown[1].content == "BODY"
    assert rubric.items[0].ask in shown[-1].content
