"""Judging as a user types it: plan, judge, interrupt, compare, report, and what is refused."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.cli.reporter import TerminalReporter
from harness.config.compose import load
from harness.errors import EngineError
from harness.judges.records import read_scores
from harness.runs import judging
from harness.runs.single import execute
from harness.store.records import RunStatus
from tests.fixtures.judging import long_session, write_run

JUDGE = ("judge.engine=scripted", "judge.engine.max_model_len=8192")


def _harness(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def run(tmp_path: Path) -> Path:
    turns = long_session(12)
    return write_run(tmp_path / "run", [(f"s-{i}", f"p-{i}", turns[6 * i : 6 * i + 6]) for i in range(4)])


def test_plan_judge_rescore_report(run: Path, small_model: Path) -> None:
    model = f"judge.model.path={small_model}"
    planned = _harness(
        "judge",
        run,
        *JUDGE,
        model,
        "rubric=alliance,empathy",
        "--plan",
        "judge.price.prompt=1",
        "judge.price.completion=2",
    )
    assert not (run / "scores.jsonl").exists()
    found = re.search(r"in all: (\d+) requests to send \(0 already recorded", planned)
    assert found is not None
    assert "US dollars" in planned
    said = _harness("judge", run, *JUDGE, model, "rubric=alliance,empathy")
    sent = re.search(r"; (\d+) questions were sent", said)
    assert sent is not None
    assert int(sent[1]) <= int(found[1])
    scores = (run / "scores.jsonl").read_bytes()
    assert len(list(read_scores(run))) == 4 * 8
    assert "0 requests to send" in _harness("judge", run, *JUDGE, model, "rubric=alliance,empathy", "--plan")
    assert "0 questions were sent" in _harness("judge", run, *JUDGE, model, "rubric=alliance,empathy", "--rescore")
    assert (run / "scores.jsonl").read_bytes() == scores
    for other in (("rubric=alliance,ai-talk",), ("rubric=alliance", "judge.sampling.temperature=0.9")):
        assert "no answers of" in _harness("judge", run, *JUDGE, model, *other, "--rescore", code=2)
    assert (run / "scores.jsonl").read_bytes() == scores
    page = (run / "report.html").read_text()
    assert "Judged by scripted-" in page
    assert "Personas and items" in page
    assert "nothing to compare: each question was answered once" in _harness("judge-reliability", run)
    table = json.loads(_harness("judge-reliability", run, "--json"))
    assert {entry["item"] for entry in table} >= {"goals", "exploration"}


def test_a_sweep_asks_its_controls_once_and_every_folder_is_complete(tmp_path: Path, small_model: Path) -> None:
    turns = long_session(4)
    names = ("a", "b")
    for place, name in enumerate(names):
        write_run(tmp_path / name, [(f"s-{name}", "p", turns[4 * place : 4 * place + 4])])
    points = [{"folder": name, "config_hash": name, "settings": [], "state": "finished"} for name in names]
    head = {"started_at": "2026-01-01T00:00:00Z", "overrides": []}
    (tmp_path / "sweep.json").write_text(json.dumps({**head, "points": points}))
    how = (*JUDGE, f"judge.model.path={small_model}", "rubric=alliance", "controls=1")
    planned = re.findall(
        r"(\d+) requests to send \((\d+) already recorded", _harness("judge", tmp_path, *how, "--plan")
    )
    counted = re.findall(
        r"(\d+) questions were sent, (\d+) answers were already recorded", _harness("judge", tmp_path, *how)
    )
    (alone, _), (own, copied) = [(int(sent), int(reused)) for sent, reused in counted]
    assert own < 0.2 * alone
    assert copied > 0.8 * alone
    assert int(planned[3][0]) == 0 < int(planned[3][1])  # sessions and controls of a, then of b
    certificates = [json.loads((tmp_path / name / "certificate.json").read_bytes()) for name in names]
    assert certificates[0] == certificates[1]
    again = _harness("judge", tmp_path / "b", *how, "--rescore")  # the other folder is not needed
    assert "0 questions were sent" in again


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rubric=alliances",), "no rubric 'alliances' (did you mean alliance?)"),
        (("rubric=alliance", "repeats=none"), "repeats: expected a whole number"),
        (("rubric=alliance", "repetas=2"), "repetas: unknown setting (did you mean repeats?)"),
        (("rubric=alliance", "judge.engine.options.noize=1"), "no such setting (did you mean noise?)"),
        (("rubric=alliance", "judge.engine.base_url=http://x"), "uses no server"),
        (("rubric_dir=/nowhere",), "no such folder of rubrics"),
        (("judge.max_new_tokens=9000",), "leaves no room for a prompt"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], said: str, run: Path, small_model: Path) -> None:
    shown = _harness("judge", run, *JUDGE, f"judge.model.path={small_model}", *words, code=2)
    assert said in shown
    assert not (run / "scores.jsonl").exists()


def test_a_run_judges_itself_at_its_end(tmp_path: Path, small_model: Path) -> None:
    folder = tmp_path / "run"
    said = _harness(
        *(
            "run",
            "engine=dry",
            f"model.path={small_model}",
            "personas=two-cups",
            "max_exchanges=3",
            f"run.dir={folder}",
        ),
        *("judge=default", "judge.engine=scripted", "judging.rubric=[alliance,patient-fidelity]", "judging.controls=1"),
    )
    assert "judged: 11 scores" in said
    assert len(list(read_scores(folder))) == 11
    assert "Judged by" in (folder / "report.html").read_text()
    assert json.loads((folder / "run.json").read_bytes())["config"]["judge"]["engine"]["kind"] == "scripted"


def test_a_run_whose_judge_fails_is_finished_and_ends_with_1(
    tmp_path: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise EngineError("the judge's server went away")

    monkeypatch.setattr(judging, "_judge_on", fail)
    judge = ("judge=default", "judge.engine=scripted", "judging.controls=0")
    played = ("engine=dry", f"model.path={small_model}", "max_exchanges=2", f"run.dir={tmp_path / 'run'}")
    outcome = execute(load([*played, *judge]), TerminalReporter())
    assert outcome.status is RunStatus.FINISHED
    assert outcome.exit_code == 1
    assert harness.open_run(outcome.path).exit_code == 1


def test_a_judge_changed_at_a_resume_judges_a_finished_run_again(tmp_path: Path, small_model: Path) -> None:
    """Otherwise run.json would name a judge and rubrics that nobody asked."""
    folder = tmp_path / "run"
    judge = ("judge=default", "judge.engine=scripted", "judging.rubric=[alliance]", "judging.controls=0")
    played = ("engine=dry", f"model.path={small_model}", "personas=two-cups", "max_exchanges=2", f"run.dir={folder}")
    _harness("run", *played, *judge)
    assert "judging" not in _harness("resume", folder)
    assert "judged: 10 scores" in _harness("resume", folder, "judging.repeats=2")
    assert {score.repeat for score in read_scores(folder)} == {0, 1}


async def test_the_api_judges_too_also_inside_a_running_loop(run: Path, small_model: Path) -> None:
    import harness

    settings = [*JUDGE, f"judge.model.path={small_model}", "controls=0"]
    [result] = harness.judge(run, *settings, rubric=["alliance", "empathy"], quiet=True)
    assert result.scores == len(harness.open_run(run).scores()) == 32
    labels = list(harness.open_run(run).turn_scores())
    assert {label["item"] for label in labels} == {"emotional-reaction", "interpretation", "exploration"}
    assert {label["turn"] % 2 for label in labels} == {1}
    assert "Judged by scripted-" in (run / "report.html").read_text()


def test_a_judge_setting_without_a_judge_is_refused() -> None:
    from harness.errors import ConfigError

    for given in ("judge.max_new_tokens=100", "judge.engine=dry", "judging.repeats=2"):
        with pytest.raises(ConfigError, match=r"no judge is chosen|unknown setting"):
            load([given])


def test_courses_are_judged_as_courses_too(tmp_path: Path, small_model: Path) -> None:
    folder = tmp_path / "run"
    _harness(
        *(
            "run",
            "engine=dry",
            f"model.path={small_model}",
            "personas=two-cups",
            "max_exchanges=2",
            f"run.dir={folder}",
        ),
        *("course.sessions=3", "course.note=digest"),
    )
    _harness("judge", folder, *JUDGE, f"judge.model.path={small_model}", "rubric=alliance", "controls=0")
    judged = {score.session_id: score for score in read_scores(folder)}
    courses = [name for name, score in judged.items() if score.course == name]
    assert len(judged) == 4
    assert len(courses) == 1
