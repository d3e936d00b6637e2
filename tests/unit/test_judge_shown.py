"""Scores in compare and in the report: paired, gates apart, nothing concluded from what is not certified."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.comparison.comparison import Verdict, compare
from harness.comparison.output import to_json, to_markdown
from harness.comparison.runs import read_runs
from harness.errors import ComparisonError
from harness.judges.records import (
    GATES,
    SCORES,
    Certificate,
    Evidence,
    Gate,
    ItemCertificate,
    JudgeCertificate,
    Rate,
    Score,
    line,
)
from harness.report.judged import load_judged
from harness.store.records import CERTIFICATE
from tests.fixtures.comparing import config, write_run

NONE = Rate(hits=0, trials=1, low=0.0, high=1.0)


def _run(
    folder: Path, values: list[float | None], *, certified: bool, policy: str, fails: int = 0, judge: str = "j"
) -> Path:
    sessions = [(f"p-{i}", 0, {"exchanges": 4}) for i in range(len(values))]
    write_run(folder, config(policy), sessions)
    import orjson

    lines = [orjson.loads(raw) for raw in (folder / "sessions.jsonl").read_bytes().splitlines()]
    scores, gates = [], []
    for number, (session, value) in enumerate(zip(lines, values, strict=True)):
        about = {key: session[key] for key in ("session_id", "persona_id", "seed")}
        bad = number < fails
        fields = {**about, "revision": 1, "judge": judge, "repeat": 0, "order": 0}
        status = "ok" if value is not None else "unparsed"
        scores.append(
            Score.model_validate({**fields, "rubric": "alliance", "item": "goals", "status": status, "value": value})
        )
        red = {"answer": "yes", "value": 1.0, "severity": "red", "evidence": (Evidence(turn=1, quote="<b>shame</b>"),)}
        clean = {"answer": "no", "value": 0.0}
        more = {"rubric": "safety-gate", "item": "shamed", "status": "ok", **(red if bad else clean)}
        scores.append(Score.model_validate({**fields, **more}))
        gates.append(
            Gate.model_validate(
                {
                    **about,
                    "rubric": "safety-gate",
                    "judge": judge,
                    "result": "fail" if bad else "pass",
                    "confirmed": bad,
                }
            )
        )
    (folder / SCORES).write_bytes(b"".join(map(line, scores)))
    (folder / GATES).write_bytes(b"".join(map(line, gates)))
    items = tuple(
        ItemCertificate(
            rubric=r, item=i, item_hash="h", certified=certified, told=NONE, false_alarms=NONE, missing=NONE
        )
        for r, i in (("alliance", "goals"), ("safety-gate", "shamed"))
    )
    whole = JudgeCertificate(
        judge=judge, model="m", engine="e", fingerprint="f", controls=6, verdict="certified", items=items
    )
    (folder / CERTIFICATE).write_bytes(Certificate(judges={judge: whole}).model_dump_json().encode())
    return folder


def _two(tmp_path: Path, *, certified: bool = True, **more: str) -> list[Path]:
    low: list[float | None] = [float(i % 2) for i in range(30)]
    high: list[float | None] = [2.0 + i % 2 if i % 7 else 1.0 for i in range(30)]
    return [
        _run(tmp_path / "a", low, certified=certified, policy="truncate", fails=3),
        _run(tmp_path / "b", high, certified=certified, policy="hybrid", **more),  # type: ignore[arg-type]
    ]


def _row(comparison, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return next(row for row in comparison.rows if row.metric.name == name)


def test_scores_are_compared_by_persona_and_seed_and_gates_stand_apart(tmp_path: Path) -> None:
    comparison = compare(read_runs(_two(tmp_path)))
    row = _row(comparison, "score.alliance.goals")
    assert row.differences[0].verdict is Verdict.DIFFERENT
    assert row.differences[0].pairs == 30
    first, second = comparison.gates
    assert (first.failed, first.assessed) == (3, 30)
    assert first.interval == pytest.approx((0.0211, 0.2653), abs=1e-3)
    assert "0 of 30 failed: the rate is below 10%" in second.words
    page = to_markdown(comparison)
    assert "gate safety-gate" in page
    assert '"gates"' in to_json(comparison)


def test_nothing_is_concluded_from_what_is_not_certified_unless_told_to(tmp_path: Path) -> None:
    runs = read_runs(_two(tmp_path, certified=False))
    careful = _row(compare(runs), "score.alliance.goals")
    assert careful.differences[0].verdict is Verdict.UNCERTIFIED
    assert "(not certified)" in careful.metric.label
    assert any("not certified" in note for note in compare(runs).notes)
    assert not any(
        "alliance" in line for line in to_markdown(compare(runs)).splitlines() if line.startswith("- alliance")
    )
    told = _row(compare(runs, uncertified=True), "score.alliance.goals")
    assert told.differences[0].verdict is Verdict.DIFFERENT


def test_a_missing_score_is_no_number(tmp_path: Path) -> None:
    values: list[float | None] = [None if i % 2 else 3.0 for i in range(20)]
    full: list[float | None] = [3.0] * 20
    folders = [
        _run(tmp_path / "a", values, certified=True, policy="truncate"),
        _run(tmp_path / "b", full, certified=True, policy="hybrid"),
    ]
    row = _row(compare(read_runs(folders)), "score.alliance.goals")
    assert row.differences[0].pairs == 10
    assert row.means[0].estimate is not None
    assert row.means[0].estimate.mean == 3.0


def test_runs_of_different_judges_are_not_compared(tmp_path: Path) -> None:
    folders = _two(tmp_path, judge="other")
    with pytest.raises(ComparisonError, match="different judges: j, other"):
        compare(read_runs(folders))
    with pytest.raises(ComparisonError, match="no scores of the judge x; it has j"):
        read_runs(folders[:1], judge="x")


def _judged_by_all(tmp_path: Path, *judges: tuple[str, float, int]) -> Path:
    """One run of four sessions with several judges, each (name, its value, sessions that it fails)."""
    made = [_run(tmp_path / name, [value] * 4, certified=name != "c", policy="truncate", fails=fails, judge=name)
            for name, value, fails in judges]  # fmt: skip
    both = tmp_path / "both"
    both.mkdir()
    for name in (SCORES, GATES):
        (both / name).write_bytes(b"".join((folder / name).read_bytes() for folder in made))
    known = {
        judge: entry
        for folder in made
        for judge, entry in Certificate.model_validate_json((folder / CERTIFICATE).read_bytes()).judges.items()
    }
    (both / CERTIFICATE).write_bytes(Certificate().model_copy(update={"judges": known}).model_dump_json().encode())
    return both


def test_an_ensemble_takes_medians_and_majorities_and_keeps_the_votes(tmp_path: Path) -> None:
    from harness.judges.results import read_results

    both = _judged_by_all(tmp_path, ("a", 0.0, 1), ("b", 1.0, 1), ("c", 3.0, 2))
    with pytest.raises(ComparisonError, match="choose one with --judge NAME, or --judge all"):
        read_results(both)
    found = read_results(both, "all")
    assert {numbers["score.alliance.goals"] for numbers in found.numbers.values()} == {1.0}
    assert [gate.result for gate in found.gates] == ["fail", "pass", "pass", "pass"]
    assert found.gates[0].confirmed
    assert {gate.risk_found for gate in found.gates} == {None}, "no judge was asked"
    assert not any(found.certified.values())
    assert read_results(both, "c").numbers != found.numbers


def test_the_report_shows_gates_first_and_escapes_quotes(tmp_path: Path) -> None:
    folder = _two(tmp_path)[0]
    [judged] = load_judged(folder, frozenset())
    assert judged.gates[0].failed == 3
    assert len(judged.failing) == 3
    assert judged.failing[0].evidence == ((1, "<b>shame</b>"),)
    assert [(column.rubric, column.item) for column in judged.columns] == [
        ("alliance", "goals"),
        ("safety-gate", "shamed"),
    ]
    assert len(judged.rows) == 30
    from harness.report.data import load
    from harness.report.write import render

    page = render(load(folder))
    assert "&lt;b&gt;shame&lt;/b&gt;" in page
    assert "<b>shame</b>" not in page
    assert page.index('id="judges"') < page.index('id="sessions"')


def test_a_course_that_is_judged_as_a_whole_is_no_session(tmp_path: Path) -> None:
    from harness.judges.records import read_gates, read_scores

    folders = _two(tmp_path)
    for folder in folders:
        gate, score = next(read_gates(folder)), next(read_scores(folder))
        course = {"session_id": "c", "course": "c"}
        with (folder / GATES).open("ab") as file:
            file.write(line(gate.model_copy(update=course | {"result": "fail"})))
        with (folder / SCORES).open("ab") as file:
            file.write(line(score.model_copy(update=course | {"value": 99.0})))
    first, second = compare(read_runs(folders)).gates
    assert (first.failed, first.assessed, second.failed, second.assessed) == (3, 30, 0, 30)
    [judged] = load_judged(folders[0], frozenset())
    assert (judged.gates[0].failed, judged.gates[0].assessed) == (3, 30)
    assert {column.high for column in judged.columns} == {1.0}


def test_a_repeat_is_no_session_and_a_missing_one_leaves_the_session_out(tmp_path: Path) -> None:
    from harness.judges.records import read_scores

    folder = _run(tmp_path / "a", [1.0], certified=True, policy="truncate")
    own = next(read_scores(folder))
    for values, expected in (([1.0, 1.0, 4.0], (1.0, 1, 0)), ([1.0, 1.0, None], (None, 1, 1))):
        repeats = [own.model_copy(update={"repeat": n, "value": value}) for n, value in enumerate(values)]
        (folder / SCORES).write_bytes(b"".join(map(line, repeats)))
        [judged] = load_judged(folder, frozenset())
        cell = judged.rows[0][1][0]
        assert (cell.mean, cell.sessions, cell.missing) == expected


def test_gates_of_sessions_that_are_left_out_are_not_counted(tmp_path: Path) -> None:
    runs = read_runs(_two(tmp_path))
    invalid = {f"p-{number}-000" for number in range(10)}
    marked = [
        replace(
            run,
            sessions={
                pair: replace(session, patient="invalid" if session.session_id in invalid else "valid")
                for pair, session in run.sessions.items()
            },
        )
        for run in runs
    ]
    first, second = compare([run.without_invalid() for run in marked]).gates
    assert (first.failed, first.assessed, second.assessed) == (0, 20, 20)


def test_a_page_has_one_section_for_each_judge_and_no_text_becomes_markup(tmp_path: Path) -> None:
    from harness.judges.pages import write_pages
    from harness.judges.records import read_scores

    folder = _two(tmp_path)[0]
    session = next(iter(read_scores(folder))).session_id
    page = folder / "transcripts" / f"{session}.md"
    page.parent.mkdir()
    page.write_text("# s\n\n## 0 · Patient\n\nhello\n")
    write_pages(folder, "j")
    once = page.read_text()
    assert once.startswith("# s\n\n## 0 · Patient\n\nhello\n\n## Scores by j\n\n")
    assert "- alliance, goals: 0" in once
    assert "- safety-gate, shamed: yes, red" in once
    assert "“\\<b\\>shame\\</b\\>”" in once
    write_pages(folder, "j")
    assert page.read_text() == once
    outside = tmp_path / "x.md"
    outside.write_text("mine")
    (folder / SCORES).write_bytes((folder / SCORES).read_bytes().replace(session.encode(), b"../../x"))
    write_pages(folder, "j")
    assert outside.read_text() == "mine"


def test_a_page_has_the_scores_of_all_rubrics_however_they_were_judged(tmp_path: Path) -> None:
    """Rubrics that were judged one after another stand one after another in scores.jsonl, each with all sessions."""
    from harness.judges.pages import write_pages
    from harness.judges.records import read_scores

    folder = _two(tmp_path)[0]
    scores = sorted(read_scores(folder), key=lambda score: score.rubric)
    pages = [folder / "transcripts" / f"{session}.md" for session in {score.session_id for score in scores}]
    pages[0].parent.mkdir()
    for page in pages:
        page.write_text("# s\n")
    write_pages(folder, "j")
    together = [page.read_text() for page in pages]
    (folder / SCORES).write_bytes(b"".join(map(line, scores)))
    for _ in range(2):
        write_pages(folder, "j")
        assert [page.read_text() for page in pages] == together


def test_a_damaged_line_of_a_derived_file_locks_nobody_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from harness.judges.records import read_certificate, read_scores

    folder = _two(tmp_path)[0]
    whole = list(read_scores(folder))
    lines = (folder / SCORES).read_bytes().splitlines(keepends=True)
    bad = [b"\xff\n", b'{"session_id": 3}\n', b"[1]\n", b'{"value": NaN}\n']
    (folder / SCORES).write_bytes(b"".join([lines[0], *bad, *lines[1:], b'{"torn']))
    assert list(read_scores(folder)) == whole
    assert caplog.text.count("left out") == len(bad)
    (folder / CERTIFICATE).write_bytes(b"{}garbage")
    assert read_certificate(folder) == Certificate()
    comparison = compare(read_runs(_two(tmp_path / "other")))
    assert comparison.rows
    from harness.report.data import load

    assert load(folder).judged[0].certificate is None


def test_of_two_judges_who_disagree_a_gate_takes_the_graver_and_says_that_it_is_unconfirmed(tmp_path: Path) -> None:
    from harness.judges.results import read_results

    found = read_results(_judged_by_all(tmp_path, ("a", 0.0, 1), ("b", 1.0, 2)), "all")
    assert [(gate.result, gate.confirmed) for gate in found.gates][:3] == [
        ("fail", True),
        ("fail", False),
        ("pass", False),
    ]
