"""Sweeps by the command line, with the real tokenizer and no model: what was promised holds whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.judges.records import read_scores
from harness.store.records import RunStatus, read_record, read_sessions
from harness.sweeps.record import PointState, SweepRecord, read_sweep

ROOT = Path(__file__).resolve().parents[2]
TIMINGS = {
    "time", "latency_s", "started_at", "finished_at", "timings", "provenance", "seconds", "resumed", "environment"
}  # fmt: skip

Play = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def play(small_model: Path) -> Play:
    """Start `python -m harness` on the dry engine, in a process of its own."""

    def start(command: str, *words: str) -> subprocess.Popen[str]:
        settings = [f"model.path={small_model}", "engine=dry"] if command == "run" else []
        return subprocess.Popen(
            [sys.executable, "-m", "harness", command, *words, *settings],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip

    return start


def ended(process: subprocess.Popen[str], timeout: float = 180) -> tuple[int, str]:
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], timeout: float = 90) -> None:
    until = time.monotonic() + timeout
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)


def turns(folder: Path) -> int:
    return sum(file.read_bytes().count(b'"event":"turn"') for file in folder.glob("*/journal.jsonl"))


def content(run: Path, without: Sequence[str] = ()) -> dict[str, Any]:
    """Everything that a run folder says, without timings and without where it lies."""
    sessions = [json.loads(line) for line in (run / "sessions.jsonl").read_text().splitlines()]
    journal = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    journal = [event for event in journal if event["event"] not in without]
    record = json.loads((run / "run.json").read_text())
    record["config"]["run"]["dir"] = None
    pages = {page.name: page.read_text() for page in (run / "transcripts").iterdir()}
    found: dict[str, Any] = {
        "sessions": sorted(sessions, key=lambda session: session["session_id"]),
        "journal": sorted(journal, key=lambda event: str(event["session_id"])),  # stable: order within a session stays
        "run": record,
        "metrics": json.loads((run / "metrics.json").read_text()),
        "failures": (run / "failures.jsonl").read_text(),
        "transcripts": pages,
        "files": sorted(path.name for path in run.iterdir()),
    }
    return {key: _untimed(value) for key, value in found.items()}


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untimed(item) for key, item in value.items() if not any(word in key for word in TIMINGS)}
    return [_untimed(item) for item in value] if isinstance(value, list) else value


def complete(folder: Path, points: int, sessions: int = 1) -> SweepRecord:
    """The record of a sweep of which nothing is missing, doubled or torn."""
    record = read_sweep(folder)
    assert [point.state for point in record.points] == [PointState.FINISHED] * points
    for point in record.points:
        run = folder / point.folder
        assert read_record(run).status is RunStatus.FINISHED
        ids = [session.session_id for session in read_sessions(run / "sessions.jsonl")]
        assert len(ids) == len(set(ids)) == sessions
        for session in read_sessions(run / "sessions.jsonl"):
            assert [turn.index for turn in session.turns] == list(range(len(session.turns)))
        assert (run / "report.html").is_file()
        assert (run / "metrics.json").is_file()
    return record


SETTINGS = ("therapist=act,cbt", "context=truncate,summarize", "max_exchanges=6", "sessions_per_persona=3")


def test_the_results_of_a_point_do_not_depend_on_the_launcher(play: Play, tmp_path: Path) -> None:
    words = (*SETTINGS, "engine.max_model_len=2048", "patient.max_new_tokens=120")
    fused = play("run", "-m", *words, f"run.dir={tmp_path / 'fused'}")
    basic = play("run", "-m", *words, "hydra/launcher=basic", f"run.dir={tmp_path / 'basic'}")
    assert ended(fused)[0] == 0
    assert ended(basic)[0] == 0
    points = complete(tmp_path / "fused", 4, sessions=3).points
    assert [p.folder for p in points] == [p.folder for p in complete(tmp_path / "basic", 4, sessions=3).points]
    chosen = points[3]
    alone = play("run", *(word for word in words if "," not in word), *chosen.settings, f"run.dir={tmp_path / 'alone'}")
    assert ended(alone)[0] == 0
    expected = content(tmp_path / "alone")
    assert expected == content(tmp_path / "fused" / chosen.folder) == content(tmp_path / "basic" / chosen.folder)
    for point in points[:3]:
        assert content(tmp_path / "fused" / point.folder) == content(tmp_path / "basic" / point.folder)


def test_killed_in_mid_sweep_and_resumed_it_ends_complete_and_the_same(play: Play, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    words = ("therapist=act,cbt,mi", "sessions_per_persona=2", "max_exchanges=8", "concurrency=3", f"run.dir={folder}")
    killed = play("run", "-m", *words, "engine.latency_s=0.1")
    wait_for(lambda: any((run / "report.html").exists() for run in folder.glob("*")) and turns(folder) > 36, killed)
    killed.kill()
    killed.wait()
    before = read_sweep(folder)
    assert before.count(PointState.INTERRUPTED) >= 1
    done = {p.folder: (folder / p.folder / "run.json").stat().st_mtime_ns for p in before.points
            if p.state is PointState.FINISHED}  # fmt: skip
    assert done
    code, output = ended(play("resume", str(folder)))
    assert code == 0, output
    complete(folder, 3, sessions=2)
    for name, written in done.items():  # finished points are left alone
        assert (folder / name / "run.json").stat().st_mtime_ns == written
    other = tmp_path / "other"
    assert ended(play("run", "-m", *words[:-1], "engine.latency_s=0.1", f"run.dir={other}"))[0] == 0
    for point in before.points:
        resumed, whole = content(folder / point.folder, ["resumed"]), content(other / point.folder)
        assert resumed["sessions"] == whole["sessions"]
        assert resumed["metrics"] == whole["metrics"]


def test_interrupted_it_says_so_and_the_same_command_goes_on_with_more_points(play: Play, tmp_path: Path) -> None:
    words = ("max_exchanges=8", "concurrency=1", f"run.dir={tmp_path / 'sweep'}", "engine.latency_s=0.1")
    process = play("run", "-m", "therapist=act,cbt", *words)
    wait_for(lambda: turns(tmp_path / "sweep") > 3, process)
    process.send_signal(signal.SIGINT)
    code, output = ended(process)
    assert code == 130
    assert f"go on with: python -m harness resume {tmp_path / 'sweep'}" in output
    states = [point["state"] for point in json.loads((tmp_path / "sweep" / "sweep.json").read_text())["points"]]
    assert states == ["interrupted", "waiting"]
    code, output = ended(play("run", "-m", "therapist=act,cbt,mi", *words))
    assert code == 0, output
    record = complete(tmp_path / "sweep", 3)
    first = read_record(tmp_path / "sweep" / record.points[0].folder)
    assert first.resumed == 1


def test_a_second_signal_says_how_to_go_on_with_the_sweep_too(play: Play, tmp_path: Path) -> None:
    words = ("max_exchanges=8", f"run.dir={tmp_path / 'sweep'}", "engine.latency_s=0.1")
    process = play("run", "-m", "therapist=act,cbt", *words)
    wait_for(lambda: turns(tmp_path / "sweep") > 3, process)
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):  # both come at once
        process.send_signal(number)
    code, output = ended(process)
    assert code == 130
    assert output.endswith(f"go on with: python -m harness resume {tmp_path / 'sweep'}\n")
    assert "point therapist=" not in output, "it waited for the points to end"
    code, output = ended(play("resume", str(tmp_path / "sweep")))
    assert code == 0, output
    complete(tmp_path / "sweep", 2)


def test_a_bad_point_is_refused_before_anything_is_made(play: Play, tmp_path: Path) -> None:
    code, output = ended(play("run", "-m", "therapist=act,nope", f"run.dir={tmp_path / 'sweep'}"))
    assert code == 2
    assert output.splitlines()[-1].startswith("error: point therapist=nope: ")
    assert "Traceback" not in output
    assert not (tmp_path / "sweep").exists()


def test_a_point_that_cannot_fit_leaves_the_others_alone(play: Play, tmp_path: Path) -> None:
    words = ("engine.max_model_len=2048", "therapist.max_new_tokens=64,2000", "max_exchanges=2")
    code, output = ended(play("run", "-m", *words, f"run.dir={tmp_path}/sweep"))
    assert code == 2, output
    good, bad = read_sweep(tmp_path / "sweep").points
    assert (good.state, bad.state) == (PointState.FINISHED, PointState.FAILED)
    assert "does not fit max_model_len=2048" in str(bad.error)


@pytest.mark.parametrize("launcher", ["fused", "basic"])
def test_a_sweep_with_a_judge_judges_every_point(play: Play, tmp_path: Path, launcher: str) -> None:
    judge = ("judge=default", "judge.engine=scripted", "judging.rubric=[alliance]", "judging.controls=0")
    words = (*judge, "seed=0,1", "max_exchanges=2", f"hydra/launcher={launcher}", f"run.dir={tmp_path}/sweep")
    code, output = ended(play("run", "-m", *words))
    assert code == 0, output
    for point in complete(tmp_path / "sweep", 2).points:
        assert len(list(read_scores(tmp_path / "sweep" / point.folder))) == 5
    code, output = ended(play("resume", f"{tmp_path}/sweep", "judging.repeats=2"))
    assert code == 0, output
    for point in complete(tmp_path / "sweep", 2).points:
        assert len(list(read_scores(tmp_path / "sweep" / point.folder))) == 10


@pytest.mark.parametrize("how", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_interrupted_while_it_is_judged_a_run_or_sweep_is_judged_by_resume(
    play: Play, tmp_path: Path, how: Sequence[str]
) -> None:
    folder = tmp_path / "out"
    judge = ("judge=default", "judge.engine=scripted", "judge.engine.latency_s=1", "judging.controls=0")
    process = play("run", *how, *judge, "max_exchanges=2", f"run.dir={folder}")
    wait_for(lambda: any(file.stat().st_size for file in folder.glob("**/judgements.jsonl")), process)
    process.send_signal(signal.SIGINT)
    code, output = ended(process)
    assert code == 130, output
    assert f"go on with: python -m harness resume {folder}" in output
    code, output = ended(play("resume", str(folder), *(() if how else ("judge.engine.latency_s=0",))))
    assert code == 0, output
    assert len(list(folder.glob("**/certificate.json"))) == (2 if how else 1)
    assert "judging" not in ended(play("resume", str(folder)))[1]


def test_a_point_on_a_server_is_the_one_that_was_checked(play: Play, tmp_path: Path) -> None:
    """Whether a server gets the sampling of a model preset depends on whether the user chose the preset."""
    server = ("engine=openai", "engine.base_url=http://127.0.0.1:9/v1", "engine.model=x", "engine.max_model_len=4096")
    words = (*(f"patient.{setting}" for setting in server), "seed=0,1", f"run.dir={tmp_path}/sweep")
    code, output = ended(play("run", "-m", *words))
    assert code == 3, output
    for point in read_sweep(tmp_path / "sweep").points:
        assert "can't connect to http://127.0.0.1:9/v1" in str(point.error)


FAILING = (
    "context=none,truncate", "seed=0,1", "engine.max_model_len=2048", "max_exchanges=10", "concurrency=1",
    "engine.latency_s=0.2", "patient.profile=off",
)  # fmt: skip
"""The two points with context=none outgrow the window after 16 turns."""


@pytest.mark.parametrize(("on_failure", "finished", "failed"), [("continue", 2, 2), ("fail_fast", 0, 1), ("2", 0, 2)])
def test_on_failure_decides_whether_failed_points_stop_a_sweep(
    play: Play, tmp_path: Path, on_failure: str, finished: int, failed: int
) -> None:
    code, output = ended(play("run", "-m", *FAILING, f"on_failure={on_failure}", f"run.dir={tmp_path}/sweep"))
    record = read_sweep(tmp_path / "sweep")
    assert code == 1, output
    assert (record.count(PointState.FINISHED), record.count(PointState.FAILED)) == (finished, failed)


def test_a_point_ends_with_its_own_last_session_and_not_with_the_batch(play: Play, tmp_path: Path) -> None:
    process = play("run", "-m", "max_exchanges=1,60", "engine.latency_s=0.1", f"run.dir={tmp_path}/sweep")
    short = tmp_path / "sweep" / "pending"

    def is_over() -> bool:
        nonlocal short
        runs = [path.parent for path in (tmp_path / "sweep").glob("*/report.html")]
        short = runs[0] if runs else short
        return bool(runs)

    wait_for(is_over, process)
    assert read_record(short).status is RunStatus.FINISHED
    assert read_sweep(tmp_path / "sweep").count(PointState.RUNNING) == 1
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 130


def test_strict_fails_a_run_whose_turns_the_guard_complains_about(play: Play, tmp_path: Path) -> None:
    words = ("patient.max_new_tokens=5", "max_exchanges=2")  # every turn of the patient is cut off
    assert ended(play("run", *words, f"run.dir={tmp_path}/lax"))[0] == 0
    code, output = ended(play("run", *words, "--strict", f"run.dir={tmp_path}/strict"))
    assert code == 1
    assert "--strict: " in output
    assert ended(play("run", "--strict", "guard=off", f"run.dir={tmp_path}/off"))[0] == 0


def test_submitits_jobs_play_a_sweep_and_go_on_after_sigterm(play: Play, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    folder = tmp_path / "sweep"
    words = ("therapist=act,cbt", "max_exchanges=20", "engine.latency_s=0.15", f"run.dir={folder}")
    leader = play("run", "-m", "hydra/launcher=submitit_local", *words)
    wait_for(lambda: turns(folder) > 8, leader)
    jobs = [int((run / ".lock").read_text()) for run in folder.glob("*/") if (run / "run.json").exists()]
    os.kill(jobs[0], signal.SIGTERM)
    code, output = ended(leader)
    assert code == 0, output
    record = complete(folder, 2)
    assert sorted(read_record(folder / point.folder).resumed for point in record.points)[-1] == 1


def test_a_job_in_a_process_of_its_own_has_the_plugins_too(play: Play, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    plugin = "plugins=[tests.fixtures.plugin.example_plugin]"
    words = (plugin, "max_exchanges=2", "hydra/launcher=submitit_local", f"run.dir={tmp_path}/sweep")
    code, output = ended(play("run", "-m", *words))
    assert code == 0, output
    (point,) = complete(tmp_path / "sweep", 1).points
    assert read_record(tmp_path / "sweep" / point.folder).plugins


def test_rays_tasks_play_a_sweep(play: Play, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    words = ("therapist=act,cbt", "max_exchanges=2", "hydra/launcher=ray", f"run.dir={tmp_path}/sweep")
    code, output = ended(play("run", "-m", *words))
    assert code == 0, output
    complete(tmp_path / "sweep", 2)
