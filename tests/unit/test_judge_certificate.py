"""Controls and certificates: who can tell is certified, who can't is not, and why is said."""

from collections.abc import Callable
from typing import Any

from harness.judges.certificate import certify
from harness.judges.controls import Controls, choose, make
from harness.judges.records import ItemCertificate, Score
from harness.judges.rubric import Rubric
from harness.judges.status import Status
from harness.judges.written.library import sessions
from harness.paths import persona_dir
from harness.personas.library import load
from harness.types import Speaker
from tests.fixtures.judging import rubrics

CLEAN = choose(sessions())
PERSONAS = {persona.id: persona for persona in load(sorted({s.persona for s in CLEAN}), [persona_dir()])}


def _controls(chosen: tuple[Rubric, ...], count: int = 6) -> Controls:
    return make(chosen, CLEAN, count, PERSONAS)


def _scores(controls: Controls, say: Callable[[str, bool, str], Any], repeats: int = 1) -> list[Score]:
    """Scores of a judge that answers by `say(item, whether the fault is there, session id)`."""
    faulty = {pair.faulty for pair in controls.pairs}
    faulty |= {edited for pair in controls.pairs for base, edited in pair.edits.values() if base in faulty}
    found = []
    for subject in controls.subjects:
        for rubric, item in subject.only_items or ():
            for repeat in range(repeats):
                value = say(item, subject.session_id in faulty, f"{subject.session_id}{repeat}")
                fields = {
                    "session_id": subject.session_id,
                    "persona_id": "p",
                    "seed": 0,
                    "rubric": rubric,
                    "revision": 1,
                }
                status = Status.OK if value is not None else Status.UNPARSED
                more = {"item": item, "judge": "j", "repeat": repeat, "order": 0, "status": status, "value": value}
                found.append(Score.model_validate(fields | more))
    return found


def _shamed(say: Callable[[str, bool, str], Any], count: int = 6, repeats: int = 1) -> ItemCertificate:
    chosen = rubrics("safety-gate")
    controls = _controls(chosen, count)
    found = certify(chosen, controls, _scores(controls, say, repeats))
    return next(item for item in found if item.item == "shamed")


def test_who_tells_every_fault_is_certified() -> None:
    found = _shamed(lambda item, fault, _: float(fault))
    assert found.certified
    assert (found.told.hits, found.told.trials) == (6, 6)
    assert found.told.low > 0.5
    assert set(found.moved) == {"neutral", "longer", "praise", "instruction"}
    assert all(rate.hits == 0 and rate.trials == 3 for rate in found.moved.values())


def test_who_says_always_the_same_is_not() -> None:
    for always in (lambda *_: 0.0, lambda *_: 1.0):
        found = _shamed(always)
        assert not found.certified
        assert any("distinguished 0 of 6" in why for why in found.why)


def test_who_answers_nothing_is_not() -> None:
    found = _shamed(lambda item, fault, _: None)
    assert not found.certified
    assert found.missing.hits == found.missing.trials > 0


def test_who_tells_the_wrong_way_round_is_not() -> None:
    assert not _shamed(lambda item, fault, _: float(not fault)).certified


def test_too_few_controls_certify_nobody() -> None:
    found = _shamed(lambda item, fault, _: float(fault), count=2)
    assert not found.certified
    assert any("too few to exclude chance" in why for why in found.why)


def test_who_is_moved_by_praise_or_length_is_not() -> None:
    chosen = rubrics("safety-gate")
    controls = _controls(chosen)
    for kind in ("praise", "longer"):
        moved = {pair.edits[kind][1] for pair in controls.pairs if kind in pair.edits}

        def say(item: str, fault: bool, session: str, moved: set[str] = moved) -> float:
            return float(fault) if session[:-1] not in moved else float(not fault)

        item = next(i for i in certify(chosen, controls, _scores(controls, say)) if i.item == "shamed")
        assert not item.certified
        assert any(f"({kind})" in why for why in item.why), item.why


def test_who_flips_is_not() -> None:
    found = _shamed(lambda item, fault, session: float(int(session[-1]) % 2), repeats=2)
    assert found.flips == 1.0
    assert not found.certified


def test_every_item_that_ships_has_controls() -> None:
    chosen = rubrics()
    controls = _controls(chosen)
    found = certify(chosen, controls, _scores(controls, lambda item, fault, _: float(fault)))
    assert len(found) == sum(len(rubric.items) for rubric in chosen)
    assert [item.item for item in found if not item.told.trials] == []
    assert next(item for item in found if item.item == "templated-openings").certified


def test_an_item_without_controls_says_so_and_is_not_certified() -> None:
    [rubric] = rubrics("ai-talk")
    bare = rubric.model_copy(update={"items": (rubric.items[0].model_copy(update={"planted": ()}),)})
    [found] = certify([bare], _controls((bare,)), [])
    assert (found.certified, found.why) == (False, ("no controls: the rubric has no planted turns for this item",))


def test_a_habit_is_planted_in_every_turn_of_the_therapist_and_nowhere_else() -> None:
    [rubric] = rubrics("ai-talk")
    controls = _controls((rubric.model_copy(update={"items": rubric.items[:1]}),))
    by_id = {subject.session_id: subject for subject in controls.subjects}
    assert len(controls.pairs) == 6
    for number, pair in enumerate(controls.pairs):
        text = rubric.items[0].planted[number % 2].text
        for clean, faulty in zip(by_id[pair.clean].turns, by_id[pair.faulty].turns, strict=True):
            own = clean.speaker is Speaker.THERAPIST
            assert faulty.text == (f"{text} {clean.text}" if own else clean.text)
        openings = [said.text.split()[0] for said in by_id[pair.clean].turns if said.speaker is Speaker.THERAPIST]
        assert max(openings.count(word) for word in openings) < 3, "the clean session has the habit itself"


def test_pairs_differ_by_one_turn_and_edits_keep_the_planted_one() -> None:
    chosen = rubrics("safety-gate", "mi-coding", "patient-fidelity")
    controls = _controls(chosen)
    by_id = {subject.session_id: subject for subject in controls.subjects}
    checked = 0
    for pair in controls.pairs:
        clean, faulty = by_id[pair.clean].turns, by_id[pair.faulty].turns
        if pair.faulty_value is None:
            continue
        differ = [a.index for a, b in zip(clean, faulty, strict=True) if a != b]
        assert len(differ) == 1
        for base, edited in pair.edits.values():
            assert by_id[base].turns[differ[0]] == by_id[edited].turns[differ[0]]
            assert by_id[base].turns != by_id[edited].turns
        checked += 1
    assert checked > 100


def test_ids_of_controls_do_not_reach_the_judge() -> None:
    from harness.judges.prompt import transcript

    for subject in _controls(rubrics("alliance")).subjects[:20]:
        assert "control" not in transcript(subject.turns, subject.turns, None).split("\n\n")[0]
