"""Every file of the harness that is read while sessions are played counts in a run's identity, as Python itself tells."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.processes import ROOT

PLAYED = """
import json, sys
from pathlib import Path
root, folder, model = map(Path, sys.argv[1:])
opened = set()
sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
from harness.__main__ import main
from harness.config.compose import load
from harness.runs.prepare import experiment
from harness.runs.resources import SharedResources

BASE = ["engine=dry", f"model.path={model}", "max_exchanges=4", "course.sessions=2", "course.note=model", "context=summarize",
        "engine.max_model_len=1400", "therapist.max_new_tokens=60", "patient.max_new_tokens=60"]
RUNS = [
    [*BASE, "personas=[two-cups,trauzimmer-im-august]", "patient.self_check=model"],
    [*BASE, "personas=[two-cups]", "patient.state=model"],
]
codes = [main(["run", *words, f"run.dir={folder / str(number)}"]) for number, words in enumerate(RUNS)]
files = {Path(file).resolve() for file in opened if file.startswith("/")}
files = sorted(file for file in files if file.is_relative_to(root) and file.suffix not in (".py", ".pyc"))
told, configs = {}, [load(words) for words in RUNS]
before = [experiment(config, SharedResources())[0] for config in configs]
for file in files:
    content = file.read_bytes()
    file.write_bytes(content + b"\\n")
    after = [experiment(config, SharedResources())[0] for config in configs]
    file.write_bytes(content)
    told[str(file.relative_to(root))] = [old != new for old, new in zip(before, after)]
print(json.dumps({"codes": codes, "told": told}), file=sys.__stdout__)
"""
RESOLVED = ("conf/", "personas/", "harness/report/")
"""What a config holds by value, what personas are hashed by content of, and what only shows a run."""


@pytest.fixture(scope="module")
def told(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bool]]:
    """By file, whether an edit changes the identity of each of two runs."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("harness", "conf", "personas"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    words = [sys.executable, "-c", PLAYED, str(root), str(root.parent / f"{root.name}-runs"), str(small_model)]
    done = subprocess.run(
        words,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["codes"] == [0, 0], done.stderr
    files: dict[str, list[bool]] = found["told"]
    return files


def test_every_file_that_is_read_while_a_run_is_played_changes_its_identity(told: dict[str, list[bool]]) -> None:
    ours = {file: changed for file, changed in told.items() if not file.startswith(RESOLVED)}
    assert not [file for file, changed in ours.items() if not any(changed)]
    expected = {
        *(
            f"harness/agents/prompts/{name}.jinja"
            for name in ("patient", "patient.de", "opening", "opening.de", "summary")
        ),
        *(f"harness/agents/prompts/{name}.jinja" for name in ("handover", "patient_memory", "therapist_memory")),
        *(f"harness/agents/prompts/{name}.jinja" for name in ("appraisal", "self_check", "therapist_frame")),
        *("harness/agents/prompts/manner.yaml", "harness/agents/english.json", "harness/hearing/weights.npz"),
        *(f"harness/agents/{name}/{code}.yaml" for name in ("cues", "directions") for code in ("en", "de")),
    }
    assert expected <= ours.keys()


def test_what_a_run_does_not_use_is_no_part_of_it(told: dict[str, list[bool]]) -> None:
    """The second run speaks English only, and its patient's model hears for it."""
    assert told["harness/agents/directions/de.yaml"] == [True, False]
    assert told["harness/agents/prompts/patient.de.jinja"] == [True, False]
    assert told["harness/agents/prompts/self_check.jinja"] == [True, False]
    assert told["harness/agents/prompts/appraisal.jinja"] == [False, True]
