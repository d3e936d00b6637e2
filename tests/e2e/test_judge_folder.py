"""Judging a run folder: killed and resumed, from the cache, with a changed item, and with dialled noise."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.errors import StorageError
from harness.judges.folder import Result, Unheard
from harness.judges.records import JUDGEMENTS, read_certificate, read_gates, read_scores
from harness.judges.reliability import analyse, read_tables
from harness.judges.rubric import Rubric
from harness.judges.written.variants import Turns, with_turn
from harness.runs.judging import judge_folders
from harness.types import Speaker
from tests.fixtures.judging import long_session, prepared, rubrics, write_run

CHOSEN = rubrics("safety-gate", "empathy", "alliance")


def _judge(
    folder: Path, chosen: tuple[Rubric, ...] = CHOSEN, *overrides: str, rescore: bool = False, **dials: Any
) -> Result:
    [result], interrupted = judge_folders([folder], prepared(chosen, *overrides, **dials), Unheard(), rescore=rescore)
    assert interrupted is None
    return result


def _run(folder: Path, count: int = 6) -> Path:
    turns = long_session(8 * count)
    return write_run(folder, [(f"s-{i}", f"p-{i % 3}", turns[16 * i : 16 * (i + 1)]) for i in range(count)])


def _files(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("scores.jsonl", "gates.jsonl", "certificate.json")]


def test_killed_twenty_times_it_ends_like_an_undisturbed_one_and_asks_nothing_twice(tmp_path: Path) -> None:
    whole, killed = _run(tmp_path / "whole"), _run(tmp_path / "killed")
    noise: dict[str, Any] = {"noise": 0.2, "forged": 0.1, "broken": 0.1}
    settings = ("repeats=2", "concurrency=4", "judge.engine.latency_s=0.004", "controls=2")
    _judge(whole, CHOSEN, *settings, **noise)
    fork = multiprocessing.get_context("fork")
    draw = random.Random(5)
    kills = 0
    for _ in range(60):
        child = fork.Process(target=_judge, args=(killed, CHOSEN, *settings), kwargs=noise)
        child.start()
        time.sleep(draw.uniform(0.05, 0.3))
        if kills < 20 and child.is_alive():
            os.kill(child.pid or 0, signal.SIGKILL)
            kills += 1
        child.join()
        if child.exitcode == 0:
            break
    assert kills >= 20, "it was over before it could be killed twenty times; make it slower"
    assert _files(killed) == _files(whole)
    keys = Counter(orjson.loads(raw)["key"] for raw in (killed / JUDGEMENTS).read_bytes().splitlines())
    assert keys.total() == len(keys)
    assert keys.keys() == {orjson.loads(raw)["key"] for raw in (whole / JUDGEMENTS).read_bytes().splitlines()}


def test_what_is_recorded_is_not_asked_again_and_scores_the_same(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run")
    first = _judge(folder, noise=0.1)
    files = _files(folder)
    again = _judge(folder, noise=0.1)
    assert (again.sent, again.reused) == (0, first.sent)
    assert _files(folder) == files
    (folder / "scores.jsonl").unlink()
    rescored = _judge(folder, rescore=True, noise=0.1)
    assert rescored.sent == 0
    assert _files(folder) == files


def test_a_changed_item_asks_that_item_again_and_no_other(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run")
    _judge(folder)
    before = (folder / JUDGEMENTS).read_bytes()
    rubric = CHOSEN[0]
    items = tuple(
        item.model_copy(update={"guidance": "Read closely. " * 9}) if item.id == "shamed" else item
        for item in rubric.items
    )
    changed = (rubric.model_copy(update={"items": items}), *CHOSEN[1:])
    _judge(folder, changed)
    added = (folder / JUDGEMENTS).read_bytes().removeprefix(before).splitlines()
    assert {orjson.loads(raw)["item"] for raw in added} == {"shamed"}
    assert len(added) == 6


def test_another_rubric_or_judge_leaves_what_is_there(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", 2)
    _judge(folder, rubrics("alliance"), "judge.name=one")
    _judge(folder, rubrics("ai-talk"), "judge.name=one")
    _judge(folder, rubrics("alliance"), "judge.name=two", blind=0.5)
    found = Counter((score.rubric, score.judge) for score in read_scores(folder))
    assert found == {("alliance", "one"): 10, ("ai-talk", "one"): 10, ("alliance", "two"): 10}
    certificate = read_certificate(folder)
    assert {entry.rubric for entry in certificate.judges["one"].items} == {"alliance", "ai-talk"}


def test_one_score_for_each_item_repeat_and_order_also_where_there_is_none(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", 3)
    chosen = rubrics()
    _judge(folder, chosen, "repeats=2", "orders=2", refuses=0.2, broken=0.2, cut=0.2, forged=0.2)
    found = Counter((s.session_id, s.rubric, s.item, s.repeat, s.order) for s in read_scores(folder))
    assert len(found) == found.total() == 3 * sum(len(rubric.items) for rubric in chosen) * 4
    statuses = Counter(str(score.status) for score in read_scores(folder))
    assert {"ok", "unparsed", "refused", "unsupported", "not_applicable", "engine_error"} <= statuses.keys()
    for score in read_scores(folder):
        assert (score.value is None) is (score.status != "ok")


def test_a_folder_that_is_being_played_or_judged_is_left_alone(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", 1)
    record = orjson.loads((folder / "run.json").read_bytes())
    (folder / "run.json").write_bytes(orjson.dumps({**record, "status": "running"}))
    with pytest.raises(StorageError, match="finish it with"):
        _judge(folder)


def _asked() -> tuple[Rubric, ...]:
    """A scale and a question, and no more."""
    kept = {"goals", "lost-facts"}
    return tuple(
        rubric.model_copy(update={"items": tuple(item for item in rubric.items if item.id in kept)})
        for rubric in rubrics("alliance", "ai-talk")
    )


def _marked(number: int) -> Turns:
    """A session whose truth is spread evenly over all answers of the items that are asked."""
    levels = {
        "alliance/goals": number % 4,
        "ai-talk/lost-facts": ["no", "yes"][number % 2],
    }
    marks = " ".join(f"{{{{{item}={answer}}}}}" for item, answer in levels.items())
    return with_turn(long_session(2), 1, f"Session {number}. {marks}")


@pytest.mark.parametrize(("noise", "repeats"), [(0.1, 5), (0.1, 10), (0.2, 10)])
def test_dialled_noise_is_recovered(noise: float, repeats: int, tmp_path: Path) -> None:
    """With five repeats and noise of 0.2, chance alone (standard deviation 0.014) moves the flip rate of a draw of 400
    sessions by more than 0.02 in one of seven: hence ten there."""
    run = write_run(tmp_path / "run", [(f"s-{i}", f"p-{i % 20}", _marked(i)) for i in range(400)])
    _judge(run, _asked(), f"repeats={repeats}", noise=noise)
    tables = {table.item: analyse(table, resamples=50) for table in read_tables([run])}
    for item, answers in (("goals", 4), ("lost-facts", 2)):
        found = tables[item]
        flips = (1 - (1 - noise) ** 2) * (1 - 1 / answers)
        assert found.flips_repeats == pytest.approx(flips, abs=0.02), item
        assert found.icc_single == pytest.approx((1 - noise) ** 2, abs=0.05), item
        assert found.intervals["icc_single"] is not None
        assert found.repeats_needed == pytest.approx(4 * (1 - found.icc_single) / found.icc_single)
        assert found.missing == 0


def test_dialled_bias_is_recovered_between_judges(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [(f"s-{i}", f"p-{i % 20}", _marked(i)) for i in range(400)])
    _judge(run, _asked(), "judge.name=fair", "repeats=2")
    _judge(run, _asked(), "judge.name=kind", "repeats=2", bias=0.4)
    found = {table.item: analyse(table, resamples=50) for table in read_tables([run])}["goals"]
    # An answer of four levels, spread evenly, can go up in three cases of four.
    assert found.means["kind"] - found.means["fair"] == pytest.approx(0.4 * 3 / 4, abs=0.05)
    assert found.components["judge"] > 0.02
    assert found.components["repeat"] < 0.01
    assert found.icc_judges < 1


def test_gates_and_sensitivity_of_a_planted_run(tmp_path: Path) -> None:
    item = rubrics("safety-gate")[0].item("shamed")
    turns = long_session(6)
    at = [number for number, (who, _) in enumerate(turns) if who is Speaker.THERAPIST]
    clean = [(f"c-{i}", "p", turns) for i in range(len(at))]
    bad = [(f"b-{i}", "p", with_turn(turns, number, item.planted[0].text)) for i, number in enumerate(at)]
    folder = write_run(tmp_path / "run", [*clean, *bad])
    _judge(folder, rubrics("safety-gate"))
    results: dict[str, Any] = {gate.session_id: gate.result for gate in read_gates(folder)}
    assert {results[name] for name, *_ in bad} == {"fail"}
    assert "fail" not in {results[name] for name, *_ in clean}
