"""judge-reliability: each run counts once, and an option that matches nothing is refused."""

import json
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.judges.records import SCORES, Score, line
from tests.fixtures.comparing import config, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with eight sessions, of which one item was asked twice."""
    folder = write_run(tmp_path / "run", config(), [(f"p{n}", 0, {}) for n in range(8)])
    about = {"seed": 0, "rubric": "alliance", "revision": 1, "item": "goals", "judge": "j", "order": 0, "status": "ok"}
    scores = [
        Score.model_validate(
            {**about, "session_id": f"p{n}-000", "persona_id": f"p{n}", "repeat": repeat, "value": float(n % 3)}
        )
        for n in range(8)
        for repeat in range(2)
    ]
    (folder / SCORES).write_bytes(b"".join(map(line, scores)))
    return folder


def test_a_run_that_is_given_twice_counts_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge-reliability", str(run), str(run / ".." / "run"), str(run.parent), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["units"] == 8


def test_a_rubric_without_scores_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge-reliability", str(run), "--rubric", "aliance"]) == 2
    assert "--rubric: no scores of aliance (did you mean alliance?); there are alliance" in capsys.readouterr().err
