"""A package of a user's own, installed beside the harness, brings one of each kind, and the harness stays as it is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.processes import ROOT, harness

PACKAGE = ROOT / "tests" / "fixtures" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the package is installed, and the checkout is still the harness."""
    folder = tmp_path_factory.mktemp("plugin")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", folder)
    subprocess.run([*map(str, pip), str(PACKAGE)], check=True, capture_output=True)
    return {"PYTHONPATH": f"{ROOT}:{folder}"}


@pytest.fixture(scope="module")
def run(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    done = harness(
        *("run", "engine=dry", "therapist.engine=echo", "therapist.engine.options.before=Heard", "context=last_only"),
        *("therapist=plain", "trackers=[lines]", "max_exchanges=3", "personas=[two-cups]", "sessions_per_persona=2"),
        f"run.dir={folder}",
        env=installed,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_uses_the_engine_policy_therapist_and_tracker(run: Path) -> None:
    sessions = [json.loads(line) for line in (run / "sessions.jsonl").read_text().splitlines()]
    spoken = [turn["text"] for session in sessions for turn in session["turns"] if turn["speaker"] == "therapist"]
    assert len(spoken) == 6
    assert all(text.startswith("Heard ") for text in spoken)
    assert "example plug-in" in (run / "journal.jsonl").read_text()
    tracked = [json.loads(line) for line in (run / "tracked.jsonl").read_text().splitlines()]
    assert tracked[0] == {"started": "run"}
    assert sorted(line["session"] for line in tracked[1:3]) == ["two-cups-000", "two-cups-001"]
    assert tracked[3] == {"finished": "finished", "sessions": 2}


def test_run_json_records_where_each_comes_from(run: Path) -> None:
    plugins = {one["kind"]: one for one in json.loads((run / "run.json").read_text())["plugins"]}
    assert {"engine", "context policy", "metric", "tracker", "folder"} <= plugins.keys()
    assert {one["distribution"] for one in plugins.values()} == {"example-plugin 1.2.3"}
    assert all(len(one["sha256"]) == 64 for one in plugins.values())


def test_its_metric_is_measured_reported_and_compared(run: Path, installed: dict[str, str], tmp_path: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert metrics["therapist.sorry"]["mean"] == 1.0
    other = tmp_path / "other"
    words = ("run", "engine=dry", "max_exchanges=3", "personas=[two-cups]", "sessions_per_persona=2")
    assert harness(*words, "context=last_only", f"run.dir={other}", env=installed).returncode == 0
    done = harness("compare", str(run), str(other), "--metric", "therapist.sorry", env=installed)
    assert done.returncode == 0, done.stderr
    assert "therapist turns that apologize" in done.stdout


def test_its_exporter_writes_its_own_format(run: Path, installed: dict[str, str], tmp_path: Path) -> None:
    done = harness("export", str(run), "--format", "lines_of_text", "--out", str(tmp_path / "out"), env=installed)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out" / "turns.txt").read_text().splitlines()
    assert len(lines) == 12
    assert lines[1].startswith("therapist: Heard ")


def test_its_rubric_is_judged_beside_ours(run: Path, installed: dict[str, str]) -> None:
    words = ("judge", str(run), "judge.engine=scripted", "rubric=plain-words")
    done = harness(*words, env=installed)
    assert done.returncode == 0, done.stderr
    scores = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    assert {(score["rubric"], score["item"]) for score in scores} == {("plain-words", "plain")}
    assert {score["session_id"] for score in scores} == {"two-cups-000", "two-cups-001"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("plugins=[not_there]",), "plugins: not_there: no module 'not_there'; is it installed, or in this folder?"),
        (("plugins=['a b']",), "plugins: 'a b': expected the name of a Python module"),
        (
            ("engine=dry", "therapist.engine=echo", "therapist.engine.options.befor=x"),
            "no such setting (did you mean before?)",
        ),
        (("engine=dry", "engine.options.before=x"), "engine.options: the dry engine has none"),
        (("trackers=[wandb]", "engine=dry"), "trackers: expected one of"),
        (("engine=dry", "context.policy=last_onl"), "context.policy: expected one of"),
    ],
)
def test_a_mistake_is_one_clear_line(
    words: tuple[str, ...], line: str, installed: dict[str, str], tmp_path: Path
) -> None:
    done = harness("run", *words, f"run.dir={tmp_path / 'run'}", env=installed)
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "run.json").exists()


HANGS = """
import threading
from harness.config.plugins import TRACKERS
from harness.runs import tracking
from tests.store_samples import record

class Hanging:
    def started(self, run, folder):
        threading.Event().wait()

TRACKERS.add("hanging", Hanging, Hanging)
tracking.LONGEST_S, tracking._LOOK_S = 0.1, 0.02
told = tracking.Tracking(["hanging"], print)
told.started(record(), None)
told.close()
"""


def test_one_that_hangs_holds_up_neither_the_run_nor_its_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "tracker hanging: has not returned for 0.1 s; the run ends without it\n"


def test_a_class_that_comes_from_no_file_is_registered_without_a_hash() -> None:
    code = (
        "import harness\n"
        "from harness.config.plugins import TRACKERS\n"
        "@harness.tracker('mine')\n"
        "class Mine: pass\n"
        "print(TRACKERS.plugins()[0].sha256)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")
