"""Invalid patients: planted ones stand in metrics, report and comparison, with and without; judges add to the rules."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.__main__ import main
from harness.comparison.runs import invalid_sessions, read_runs
from harness.judges.patients import PatientVerdicts
from harness.judges.records import Certificate, ItemCertificate, JudgeCertificate, Rate
from harness.report.data import load
from harness.report.sweep import write_sweep_report
from harness.report.write import write_report
from harness.store.metrics import write_metrics
from harness.store.records import read_sessions
from tests.e2e.test_report import parsed
from tests.fixtures.report_rich import rich_run

HEADLINE = "therapist.input_share"
PERSONAS = ("court-sent-chef", "night-guard-talks", "two-cups")
SESSIONS = [f"{persona}-000" for persona in PERSONAS]


def plant(folder: Path, verdicts: dict[str, str]) -> Path:
    """The run with these verdicts on its patients (the others valid), where an invalid one's therapist talks far more."""
    path = folder / "sessions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["metrics"]["patient_verdict"] = verdict = verdicts.get(line["session_id"], "valid")
        line["metrics"]["patient_faults"] = []
        if verdict == "invalid":
            line["metrics"]["therapist"]["input_share"] = 900.0
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    write_metrics(folder)
    return folder


def run(tmp_path: Path, name: str = "run", verdicts: dict[str, str] | None = None, **how: Any) -> Path:
    return plant(rich_run(tmp_path / name, personas=PERSONAS, **{"repeats": 1, "judged": False, **how}), verdicts or {})


def score(
    session: str, item: str, answer: str, turn: int = 4, judge: str = "strict", repeat: int = 0
) -> dict[str, Any]:
    return {
        **{"session_id": session, "persona_id": session[:-4], "seed": 7, "rubric": "patient-fidelity", "revision": 1},
        **{"item": item, "judge": judge, "repeat": repeat, "order": 0, "status": "ok", "reason": ""},
        **{"value": float(answer == "yes"), "answer": answer, "evidence": [{"turn": turn, "quote": "x"}]},
    }


def judge(folder: Path, *scores: dict[str, Any], certified: bool = True) -> None:
    (folder / "scores.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in scores))
    asked = sorted({(line["judge"], line["item"]) for line in scores})
    judges = {
        name: JudgeCertificate(
            **{"judge": name, "model": "m", "engine": "e", "fingerprint": "f", "controls": 6, "verdict": "certified"},
            items=tuple(certificate(item, certified=certified) for by, item in asked if by == name),
        )
        for name, _ in asked
    }
    (folder / "certificate.json").write_bytes(Certificate(judges=judges).model_dump_json().encode())


def certificate(item: str, *, certified: bool) -> ItemCertificate:
    none = Rate(hits=0, trials=0, low=0.0, high=1.0)
    return ItemCertificate(
        rubric="patient-fidelity",
        item=item,
        item_hash="h",
        certified=certified,
        told=none,
        false_alarms=none,
        missing=none,
    )


def page_text(folder: Path) -> str:
    return " ".join(" ".join(parsed(write_report(folder)).text).split())


def test_metrics_hold_both_with_and_without_invalid_sessions(tmp_path: Path) -> None:
    folder = run(tmp_path, verdicts={SESSIONS[0]: "invalid", SESSIONS[1]: "flawed"})
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["patient_verdicts"] == {"flawed": 1, "invalid": 1, "valid": 1}
    assert metrics["metrics"][HEADLINE]["n"] == 3
    assert metrics["metrics_without_invalid"][HEADLINE]["n"] == 2
    assert metrics["metrics"][HEADLINE]["mean"] > 200 > metrics["metrics_without_invalid"][HEADLINE]["mean"]


def test_the_report_shows_both_side_by_side_and_which_session_it_is(tmp_path: Path) -> None:
    folder = run(tmp_path, verdicts={SESSIONS[0]: "invalid"}, repeats=3)  # of few sessions, any may be the extreme one
    text = page_text(folder)
    assert "With and without invalid patients" in text
    assert HEADLINE in text
    assert "the simulated patient is invalid" in text
    assert load(folder).flagged["patient-invalid"] == 1
    assert "With and without invalid patients" not in page_text(run(tmp_path, "clean"))


def test_compare_gives_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = run(tmp_path, "one", settings={"therapist": {"name": "act"}})
    other = run(tmp_path, "other", {SESSIONS[2]: "invalid"}, settings={"therapist": {"name": "person_centred"}})
    assert invalid_sessions(read_runs([one, other])) == 1
    assert main(["compare", str(one), str(other), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    every, without = told["settings"], told["without_invalid"]["settings"]
    assert [setting["sessions"] for setting in every] == [3, 3]
    assert [setting["sessions"] for setting in without] == [3, 2]


CASES = [
    ("one fault is a flaw", [score(SESSIONS[0], "contradicts-persona", "yes")], "flawed"),
    ("a leak is grave", [score(SESSIONS[0], "leaks-layer", "yes")], "invalid"),
    ("no fault", [score(SESSIONS[0], "leaks-layer", "no")], "valid"),
    ("an item of no fault", [score(SESSIONS[0], "resistance-as-specified", "yes")], "valid"),
    ("another session", [score(SESSIONS[1], "leaks-layer", "yes")], "valid"),
    (
        "most repeats say no",
        [score(SESSIONS[0], "leaks-layer", answer, repeat=n) for n, answer in enumerate(("yes", "no", "no"))],
        "valid",
    ),
    (
        "judges are divided",
        [score(SESSIONS[0], "leaks-layer", answer, judge=answer) for answer in ("yes", "no")],
        "valid",
    ),
    (
        "most judges say yes",
        [score(SESSIONS[0], "leaks-layer", a, judge=j) for j, a in (("a", "yes"), ("b", "yes"), ("c", "no"))],
        "invalid",
    ),
]


@pytest.mark.parametrize(("scores", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_judges_add_to_the_verdict(scores: list[dict[str, Any]], wanted: str, tmp_path: Path) -> None:
    folder = run(tmp_path)
    judge(folder, *scores)
    first = next(session for session in read_sessions(folder / "sessions.jsonl") if session.session_id == SESSIONS[0])
    assert PatientVerdicts(folder).metrics(first)["patient_verdict"] == wanted
    row = next(row for row in load(folder).rows if row.session_id == SESSIONS[0])
    assert row.patient == wanted
    assert first.metrics["patient_verdict"] == "valid"  # what the rules said stays on disk


def test_a_judge_that_is_not_certified_changes_no_verdict(tmp_path: Path) -> None:
    folder = run(tmp_path)
    judge(folder, score(SESSIONS[0], "leaks-layer", "yes"), certified=False)
    assert not PatientVerdicts(folder).asked
    assert next(row for row in load(folder).rows if row.session_id == SESSIONS[0]).patient == "valid"


def test_what_a_judge_found_changes_metrics_and_comparison(tmp_path: Path) -> None:
    folder = run(tmp_path)
    judge(folder, score(SESSIONS[0], "leaks-layer", "yes"))
    assert main(["report", str(folder), "--metrics"]) == 0
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["patient_verdicts"] == {"invalid": 1, "valid": 2}
    assert metrics["metrics_without_invalid"][HEADLINE]["n"] == 2
    [data] = read_runs([folder])
    assert sum(session.patient == "invalid" for session in data.sessions.values()) == 1


def test_the_report_compares_patients_with_the_reference(tmp_path: Path) -> None:
    text = page_text(run(tmp_path))
    assert "Simulated patients compared with people" in text
    for words in (
        "Turns with a question",
        "Change of trust per exchange",
        "Entropy of outcomes",
        "Wasserstein distance",
        "MIBot",
    ):
        assert words in text


@pytest.mark.parametrize(("repeats", "said"), [(1, "Too few pairs to say whether"), (2, "The patients distinguish")])
def test_the_sweep_s_page_says_whether_patients_distinguish_good_from_poor(
    repeats: int, said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "sweep"
    points = []
    for name, shift in (("person_centred", 0.03), ("poor", -0.03)):
        run(folder, name, settings={"therapist": {"name": name}}, shift=shift, repeats=repeats)
        points.append({"folder": name, "config_hash": name, "settings": [f"therapist={name}"], "state": "finished"})
    head = {"started_at": "2026-01-01T00:00:00Z", "overrides": []}
    (folder / "sweep.json").write_bytes(orjson.dumps({**head, "points": points}))
    text = " ".join(" ".join(parsed(write_sweep_report(folder)).text).split())
    assert said in text
    assert "effect size" in text
    assert f"{3 * repeats} pairs" in text
