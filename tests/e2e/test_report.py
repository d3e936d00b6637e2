"""The report: whole, safe and bounded, from nothing but a run folder."""

import base64
import hashlib
import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import harness.report
from harness.__main__ import main
from harness.comparison.comparison import compare
from harness.comparison.runs import read_runs
from harness.comparison.settings import settings_of
from harness.errors import StorageError
from harness.report import data
from harness.report.compared import comparison_page
from harness.report.judged import Note, load_judged
from harness.report.overview import looks, outcome, reasons
from harness.report.quotes import marked
from harness.report.repeats import repeats
from harness.report.side_by_side import side_by_side
from harness.report.sweep import load_sweep, write_sweep_report
from harness.report.write import write_report
from harness.store.lock import lock
from harness.store.metrics import write_metrics
from harness.store.records import RunStatus
from harness.types import Speaker, Turn
from tests.fixtures.report_rich import rich_run, rich_sweep
from tests.fixtures.report_run import HOSTILE, run_folder

TEMPLATES = Path(harness.report.__file__).parent / "templates"
VOID = ("meta", "br", "input", "hr")


class Page(HTMLParser):
    """What a browser would make of the page: its elements, and everything that it would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.dangerous: list[str] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if (
                name.startswith("on")
                or name in ("src", "srcset", "background")
                or (value or "").startswith("javascript")
            ):
                self.dangerous.append(f"{tag} {name}={value}")
            if name == "content" and (value or "").startswith("default-src"):
                self.policy = value or ""
            if name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        self.text.append(data)


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


def test_no_text_of_a_model_persona_config_or_error_becomes_markup(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", (HOSTILE, HOSTILE), failure=HOSTILE)
    write_metrics(folder)
    page = parsed(write_report(folder))
    assert page.scripts == [(TEMPLATES / "page.js").read_text(encoding="utf-8")]
    assert "img" not in page.tags
    assert page.dangerous == []
    assert "".join(page.text).count("alert(1)") >= 5
    assert str(7919 * 7907) not in "".join(page.text)


def test_it_needs_nothing_but_itself(tmp_path: Path) -> None:
    page = parsed(write_report(run_folder(tmp_path / "run", ("Hi.", "Hello."))))
    assert all(link.startswith(("#", "transcripts/")) for link in page.links)
    assert not {"link", "iframe", "img", "object", "embed"} & set(page.tags)
    [script] = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page.policy
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert "@import" not in html
    assert "url(" not in html


def test_turns_failures_and_findings_are_readable(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", ("Good morning.", "Good morning to you."), failure="the server is down")
    text = " ".join("".join(parsed(write_report(folder)).text).split())
    assert "Good morning to you." in text
    assert "EngineError: the server is down" in text
    assert "at therapist/3" in text
    assert "1,500 + 20 of 2,048 tokens" in text
    assert "out of view: 2 turns" in text
    assert "1 session of 1 persona finished; 1 failed" in text
    assert "In the fullest window, 292 of 2,048 tokens stayed free" in text


def test_of_a_large_run_some_is_inline_and_the_rest_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_INLINE", 2)
    monkeypatch.setattr(data, "MOST_ROWS", 4)
    page = parsed(write_report(run_folder(tmp_path / "run", ("Hi.", "Hello."), sessions=6)))
    assert page.tags.count("article") == 4
    assert {"#s-s-0", "#s-s-1", "transcripts/s-2.html", "transcripts/s-3.html"} <= set(page.links)
    assert "transcripts/s-4.html" not in page.links
    beside = parsed(tmp_path / "run" / "transcripts" / "s-2.html")
    assert beside.tags.count("article") == 2
    assert {"../report.html#sessions", "s-3.html"} <= set(beside.links)
    assert not (tmp_path / "run" / "transcripts" / "s-4.html").exists()


def dead_links(path: Path) -> list[str]:
    """The links of a page that lead to no file, or to nothing on a page."""
    found = []
    for link in parsed(path).links:
        file, _, fragment = link.partition("#")
        target = path.parent / unquote(file) if file else path
        ids = re.findall(r' id="([^"]+)"', target.read_text(encoding="utf-8")) if target.suffix == ".html" else []
        if not target.exists() or (fragment and unquote(fragment) not in map(unescape, ids)):
            found.append(link)
    return found


def test_every_link_leads_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dry = rich_run(tmp_path / "dry")
    run = json.loads((dry / "run.json").read_text())
    for engine in run["engines"].values():
        engine["kind"] = "dry"
    (dry / "run.json").write_text(json.dumps(run))
    failed = run_folder(tmp_path / "failed", (), sessions=0, failure=HOSTILE)
    monkeypatch.setattr(data, "MOST_INLINE", 2)
    monkeypatch.setattr(data, "MOST_ROWS", 4)
    for folder in (dry, failed, rich_run(tmp_path / "large")):
        assert dead_links(write_report(folder)) == []
        pages = list((folder / "transcripts").glob("*.html"))
        assert pages
        assert [link for page in pages for link in dead_links(page)] == []


def test_a_red_answer_about_a_course_leads_to_the_turn_of_its_session(tmp_path: Path) -> None:
    folder = rich_run(tmp_path / "run")
    sessions = [json.loads(line) for line in (folder / "sessions.jsonl").read_text().splitlines()]
    for session in sessions[:2]:
        session["course"] = "court-sent-chef-c"
        session["number"] = 1 + sessions.index(session)
    (folder / "sessions.jsonl").write_text("".join(json.dumps(session) + "\n" for session in sessions[::-1]))
    scores = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    red = next(score for score in scores if score.get("severity") == "red")
    red |= {"session_id": "court-sent-chef-c", "course": "court-sent-chef-c"}
    red["evidence"][0]["turn"] = 16 + 14  # the first session has 16 turns
    (folder / "scores.jsonl").write_text("".join(json.dumps(score) + "\n" for score in scores))
    page = parsed(write_report(folder))
    assert "turn 14 of court-sent-chef-001" in " ".join(page.text)
    assert "#t-court-sent-chef-001-14" in page.links
    assert dead_links(folder / "report.html") == []


def test_a_large_run_says_what_stands_where_and_hides_no_grave_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = rich_run(tmp_path / "run", judged=False)
    last = json.loads((folder / "sessions.jsonl").read_text().splitlines()[-1])
    gate = {"session_id": last["session_id"], "persona_id": last["persona_id"], "seed": last["seed"], "judge": "main"}
    (folder / "gates.jsonl").write_text(
        json.dumps(gate | {"rubric": "safety-gate", "result": "fail", "confirmed": True}) + "\n"
    )
    monkeypatch.setattr(data, "MOST_INLINE", 1)
    monkeypatch.setattr(data, "MOST_ROWS", 3)
    report = data.load(folder)
    assert looks(report)[0].session_id == last["session_id"]
    assert "The other 3 sessions of the table" in " ".join("".join(parsed(write_report(folder)).text).split())


def test_no_page_is_written_where_a_link_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_INLINE", 1)
    folder = run_folder(tmp_path / "run", ("Hi.", "Hello."), sessions=2)
    elsewhere = tmp_path / "elsewhere"
    (folder / "transcripts").rename(elsewhere)
    (folder / "transcripts").symlink_to(elsewhere)
    with pytest.raises(StorageError, match="is a link"):
        write_report(folder)
    assert list(elsewhere.glob("*.html")) == []


def test_long_transcripts_do_not_make_a_long_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_CHARACTERS", 100)
    page = parsed(write_report(run_folder(tmp_path / "run", ("word " * 100, "x"))))
    assert "article" not in page.tags
    assert "transcripts/s-0.html" in page.links


def test_a_run_without_a_finished_session_has_a_report_too(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", (), sessions=0)
    write_metrics(folder)
    assert "0 sessions finished" in "".join(parsed(write_report(folder)).text)


def test_a_patient_state_of_another_program_may_hold_only_some_numbers(tmp_path: Path) -> None:
    """As in the example of docs/run-folder.md, which has trust and nothing else."""
    folder = rich_run(tmp_path / "run", personas=("a", "b"), repeats=1)
    sessions = [json.loads(line) for line in (folder / "sessions.jsonl").read_text().splitlines()]
    for state, session in zip(({"trust": 0.3}, {"mood": "flat", "told": None}), sessions, strict=True):
        for turn in session["turns"]:
            turn["patient_state"] = state
    (folder / "sessions.jsonl").write_text("".join(json.dumps(session) + "\n" for session in sessions))
    write_metrics(folder)
    assert "trust 0.30" in " ".join("".join(parsed(write_report(folder)).text).split())
    assert main(["fidelity", str(folder), "--json"]) == 0


def test_a_number_that_metrics_json_lacks_is_no_defect(tmp_path: Path) -> None:
    folder = rich_run(tmp_path / "run", personas=("a", "b"), repeats=1)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["usage"] = {"cached_share": 0.5}
    metrics["metrics"] = {name: {"mean": None, "sd": None} for name in metrics["metrics"]}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    run = json.loads((folder / "run.json").read_text())
    run |= {"source": "imported", "config": {"therapist": {"model": "theirs"}, "patient": 3}}
    (folder / "run.json").write_text(json.dumps(run))
    assert "50%" in "".join(parsed(write_report(folder)).text)


def test_the_command_writes_metrics_where_there_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path / "run", ("Hi.", "Hello."))
    assert main(["report", str(folder)]) == 0
    assert (folder / "metrics.json").exists()
    assert capsys.readouterr().out.strip() == str(folder / "report.html")


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StorageError, match=r"no run\.json"):
        write_report(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_dry_run_says_so_and_shows_no_number_about_words_that_nobody_said(tmp_path: Path) -> None:
    pages = {}
    for engine in ("vllm", "dry"):
        folder = run_folder(tmp_path / engine, ("How are you?", "It sounds as if you are tired."), engine=engine)
        write_metrics(folder)
        pages[engine] = parsed(write_report(folder))
    of_words = {"Turns with a reflection", "What the guard found", "Sessions with a loop", "Reading ease (Flesch)"}
    dry, real = (" ".join(pages[name].text) for name in ("dry", "vllm"))
    assert [text for text in of_words if text not in real] == []
    assert [text for text in of_words if text in dry] == []
    assert "Dry run." in dry
    assert "Dry run." not in real
    assert "#metrics" not in pages["dry"].links
    assert "Tokens generated" in dry


def test_control_characters_stand_escaped_on_the_page_and_in_the_transcript(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", ("a\x1b]0;title\x07b\x00", "c\u202ed\x9b2J"), failure="\x1b[2J gone")
    write_metrics(folder)
    files = [write_report(folder), *(folder / "transcripts").glob("*.md")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    assert not [text for text in texts if re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)]
    assert r"a\x1b]0;title\x07b\x00" in texts[0]
    assert any(r"\\x1b" in text for text in texts[1:])
    assert (
        "\x1b]0;title\x07b\x00"
        in json.loads((folder / "sessions.jsonl").read_text().splitlines()[0])["turns"][0]["text"]
    )


def test_what_asks_for_a_look_is_shown_in_full_before_what_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MOST_INLINE", 2)
    folder = rich_run(tmp_path / "run", personas=("a", "b", "c", "d"), repeats=1)
    shown = [one.row.session_id for one in data.load(folder).shown]
    assert shown == ["a-000", "b-000"]  # a failed its gate, b has a loop; c only breaks its role later
    monkeypatch.setattr(data, "MOST_INLINE", 1)
    assert [one.row.session_id for one in data.load(folder).shown] == ["a-000"]


def test_the_sentence_on_top_counts_what_happened(tmp_path: Path) -> None:
    folder = rich_run(tmp_path / "run")
    report = data.load(folder)
    assert outcome(report) == (
        "6 sessions of 3 personas finished; none failed; the guard found loop in 2 sessions, role break in 2 sessions."
    )
    first = looks(report)[0]
    assert (first.session_id, reasons(first)) == ("court-sent-chef-000", "failed the gate safety-gate")


def test_a_score_without_a_value_is_missing_on_the_page_and_no_number(tmp_path: Path) -> None:
    folder = rich_run(tmp_path / "run", personas=("a",), repeats=1)
    path = folder / "scores.jsonl"
    first = json.loads(path.read_bytes().splitlines()[0]) | {"status": "abstained", "value": None}
    path.write_text(json.dumps(first) + "\n", encoding="utf-8")
    (folder / "certificate.json").unlink()
    [judged] = load_judged(folder, frozenset())
    [(_, [cell])] = judged.rows
    assert (cell.mean, cell.missing) == (None, 1)
    assert "There is no certificate" in " ".join(parsed(write_report(folder)).text)


def test_a_quote_is_marked_only_where_it_stands_and_marks_do_not_overlap() -> None:
    def note(quote: str, severity: str | None = None) -> Note:
        return Note("r", '"><b>', "a", quote, severity, certified=True)

    text = "<i>you must</i> stop & you know it"
    assert marked(text, []) == "&lt;i&gt;you must&lt;/i&gt; stop &amp; you know it"
    found = marked(text, [note("stop & you", "red"), note("you know it"), note("never said"), note("")])
    assert found.count("<mark") == 1
    assert '<mark class="red" title="r, &quot;&gt;&lt;b&gt;: a">stop &amp; you</mark>' in found


def test_repetition_is_the_share_of_word_runs_that_the_speaker_said_before() -> None:
    turns = [
        Turn(0, Speaker.PATIENT, "one two three four five"),
        Turn(1, Speaker.THERAPIST, "one two three four five"),
        Turn(2, Speaker.PATIENT, "One two three four, six!"),
        Turn(3, Speaker.THERAPIST, "hm"),
        Turn(4, Speaker.PATIENT, "one two three four five"),
    ]
    assert list(repeats(turns, Speaker.PATIENT)) == [(2, 0.5), (4, 1.0)]
    assert list(repeats(turns, Speaker.THERAPIST)) == []


def test_a_sweep_has_a_page_whatever_became_of_its_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = rich_sweep(tmp_path / "sweep", ("truncate", "hybrid"), personas=2)
    assert main(["report", str(folder)]) == 0
    written = [str(folder / name / "report.html") for name in ("p0", "p1", ".")]
    assert [str(Path(line)) for line in capsys.readouterr().out.split()] == [str(Path(path)) for path in written]
    page = parsed(folder / "report.html")
    text = " ".join(" ".join(page.text).split())
    assert "2 of 3 points finished; 1 failed" in text
    assert {"p0/report.html", "p1/report.html"} <= set(page.links)
    shutil.rmtree(folder / "p1")
    assert "fewer than two points" in " ".join(parsed(write_sweep_report(folder)).text)
    shutil.rmtree(folder / "p0")
    parsed(write_sweep_report(folder))
    for damaged in ("[]", '{"points": [{"folder": "../elsewhere"}]}', '{"points": [{"folder": "javascript:a"}]}'):
        (folder / "sweep.json").write_text(damaged)
        with pytest.raises(StorageError, match=r"sweep\.json"):
            write_sweep_report(folder)


def test_a_killed_run_is_not_shown_as_running(tmp_path: Path) -> None:
    folder = rich_sweep(tmp_path / "sweep", ("truncate", "hybrid"), personas=2)
    run = json.loads((folder / "p0" / "run.json").read_text())
    (folder / "p0" / "run.json").write_text(json.dumps(run | {"status": "running"}))
    sweep = json.loads((folder / "sweep.json").read_text())
    sweep["points"][0]["state"] = "running"
    sweep["points"][1]["state"] = "interrupted"  # its run was resumed by itself, and finished
    sweep["points"][2] |= {"state": "running", "error": None}  # killed before it had a folder
    (folder / "sweep.json").write_text(json.dumps(sweep))
    assert [point.state for point in load_sweep(folder).points] == ["interrupted", "finished", "waiting"]
    assert data.load(folder / "p0").run.status is RunStatus.INTERRUPTED
    held = lock(folder / "p0")
    assert load_sweep(folder).points[0].state == "running"
    assert data.load(folder / "p0").run.status is RunStatus.RUNNING
    held.release()


def test_people_are_not_called_simulated_patients(tmp_path: Path) -> None:
    folder = rich_sweep(tmp_path / "sweep", ("truncate", "hybrid"), personas=2)
    said = "Simulated patients compared with people"
    assert said in "".join(parsed(write_sweep_report(folder)).text)
    for name, change in (("p0", {"source": "imported"}), ("p1", {})):
        run = json.loads((folder / name / "run.json").read_text()) | change
        if name == "p1":
            run["config"]["patient"] = {"kind": "replay"}
        (folder / name / "run.json").write_text(json.dumps(run))
    text = "".join(parsed(write_report(folder / "p0")).text)
    assert said not in text
    assert "Patients are simulated" not in text
    every = comparison_page(compare(read_runs([folder], allow_unfinished=True)))
    for page in (write_sweep_report(folder).read_text(encoding="utf-8"), every):
        assert said not in page
        assert "Patients are simulated" not in page
        assert "not a medical device" in page


def test_side_by_side_takes_only_what_all_settings_played(tmp_path: Path) -> None:
    folder = rich_sweep(tmp_path / "sweep", ("truncate", "hybrid"), personas=2)
    settings = settings_of(read_runs([folder], allow_unfinished=True))
    sides = side_by_side(settings)
    assert sides is not None
    assert sides.settings == ("truncate", "hybrid")
    assert len(sides.pairs) == 4
    pairs = sides.lines(0, 1, 0)
    assert [one.index for one, _ in pairs if one] == list(range(16))
    assert all(one and other and one.text == other.text for one, other in pairs)
    assert side_by_side(settings[:1]) is None


def test_side_by_side_holds_a_session_in_all_settings_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = rich_sweep(tmp_path / "sweep", ("truncate", "hybrid"), personas=2)
    settings = settings_of(read_runs([folder], allow_unfinished=True))
    monkeypatch.setattr("harness.report.side_by_side.MOST_CHARACTERS", 26_000)  # one session takes about 5,500
    sides = side_by_side(settings)
    assert sides is not None
    assert len(sides.pairs) == 2
    assert {(side.setting, side.pair) for side in sides.sides} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    monkeypatch.setattr("harness.report.side_by_side.MOST_CHARACTERS", 1_000)
    assert side_by_side(settings) is None


def test_a_comparison_without_invalid_patients_stands_below_on_the_same_page(tmp_path: Path) -> None:
    comparison = compare(read_runs([rich_sweep(tmp_path / "sweep", ("truncate", "hybrid"))], allow_unfinished=True))
    path = tmp_path / "page.html"
    path.write_text(comparison_page(comparison, comparison), encoding="utf-8")
    page = parsed(path)
    assert page.tags.count("html") == 1
    ids = re.findall(r' id="([^"]+)"', path.read_text(encoding="utf-8"))
    assert len(ids) == len(set(ids)) >= 8
    assert "valid" in ids
