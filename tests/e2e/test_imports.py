"""Import: what can be read is read whole, with its labels and rights; what can't be read says where, and nothing is
half imported."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.__main__ import main
from harness.runs.imports.folder import read_files
from harness.runs.imports.sessions import Layout
from harness.store.played import read_played
from harness.store.records import read_record, read_sessions
from harness.types import Source, Speaker

RIGHTS = ("--licence", "CC-BY-4.0", "--source", "made up for this test")
ANNOTATED = (
    "transcript_id,mi_quality,utterance_id,interlocutor,utterance_text,annotator_id,main_therapist_behaviour\n"
    '0,high,0,therapist,"What brings you in, today?",1,question\n'
    '0,high,0,therapist,"What brings you in, today?",2,other\n'
    "0,high,1,client,My sleep. It went in March.,1,n/a\n"
    "1,low,0,client,I was sent here.,1,n/a\n"
    "1,low,1,therapist,Then let us begin.,1,therapist_input\n"
    "0,high,2,therapist,In March.,1,reflection\n"
)
"""A table of annotated sessions: a row for each annotator, rows of sessions mixed, the therapist begins."""
SUPPORT = [
    {
        "experience_type": "Previous",
        "emotion_type": "worry",
        "dialog": [
            {"speaker": "seeker", "annotation": {}, "content": "They let half of us go.\n"},
            {"speaker": "supporter", "annotation": {"strategy": "Question"}, "content": "And you are left?"},
            {"speaker": "seeker", "annotation": {}, "content": "For now."},
            {"speaker": "supporter", "annotation": {"strategy": "Others"}, "content": "For now is hard to sleep on."},
            {"speaker": "supporter", "annotation": {"strategy": "Question"}, "content": "Who knows at home?"},
        ],
    }
]
SHARED = [
    {
        "id": "x1",
        "conversations": [
            {"from": "system", "value": "Be kind."},
            {"from": "human", "value": "Hi."},
            {"from": "gpt", "value": "Hello."},
        ],
    },
    {"id": "x2", "conversations": [{"from": "human", "value": "No."}, {"from": "gpt", "value": "All right."}]},
]  # fmt: skip


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def imported(folder: Path, path: Path, form: str, *options: str) -> Path:
    out = folder / "run"
    assert main(["import", str(path), "--format", form, "--out", str(out), *RIGHTS, *options]) == 0
    return out


def test_the_written_sessions_are_imported_as_a_user_would(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["import", "examples/sessions", "--format", "text", "--out", str(out)]) == 0
    sessions = list(read_sessions(out / "sessions.jsonl"))
    assert len(sessions) == len(list(Path("examples/sessions").glob("*.txt"))) == read_record(out).totals.finished
    assert {session.source for session in sessions} == {Source.IMPORTED} == {read_record(out).source}
    good = [session for session in sessions if session.meta["quality"] == "good"]
    assert len(good) == 24
    assert all(session.meta["licence"] == "Apache-2.0" and session.meta["source"] for session in sessions)
    assert "role_break" not in good[0].metrics["guard"]
    of_turn = [line for line in lines(out / "labels.jsonl") if line["session_id"] == "good-01-court-sent-chef"]
    assert of_turn[1] | {"author": "", "source": ""} == {
        "session_id": "good-01-court-sent-chef", "author": "", "source": "", "turn": 3, "speaker": "therapist",
        "labels": {"question": "open", "autonomy": True, "exploration": 2},
    }  # fmt: skip
    assert of_turn[-1]["turn"] is None
    assert of_turn[-1]["labels"]["faults"] == []
    assert (out / "report.html").stat().st_size > 10_000
    assert [played.spec.session_id for played in read_played(out)] == [session.session_id for session in sessions]


def test_a_table_of_several_annotators_is_one_session_each(tmp_path: Path) -> None:
    out = imported(
        tmp_path, put(tmp_path, "t.csv", ANNOTATED), "csv", "--meta", "mi_quality", "--labels", "main_therapist_behaviour",
        "--columns", "session=transcript_id,order=utterance_id,speaker=interlocutor,text=utterance_text",
    )  # fmt: skip
    first, second = read_sessions(out / "sessions.jsonl")
    assert [(turn.speaker, turn.text) for turn in first.turns] == [
        (Speaker.THERAPIST, "What brings you in, today?"),
        (Speaker.PATIENT, "My sleep. It went in March."),
        (Speaker.THERAPIST, "In March."),
    ]
    assert (first.session_id, first.meta["mi_quality"], second.meta["mi_quality"]) == ("0", "high", "low")
    assert lines(out / "labels.jsonl")[0]["labels"] == {"main_therapist_behaviour": ["question", "other"]}
    assert first.metrics["therapist"]["turns"] == 2


def test_messages_with_other_names_and_annotations(tmp_path: Path) -> None:
    out = imported(tmp_path, put(tmp_path, "t.json", json.dumps(SUPPORT)), "messages")
    (session,) = read_sessions(out / "sessions.jsonl")
    assert [str(turn.speaker) for turn in session.turns] == ["patient", "therapist"] * 2
    assert session.turns[3].text == "For now is hard to sleep on.\nWho knows at home?"
    assert session.meta["emotion_type"] == "worry"
    assert lines(out / "labels.jsonl")[-1]["labels"] == {
        "annotation": [{"strategy": "Others"}, {"strategy": "Question"}]
    }


@pytest.mark.parametrize("as_lines", [True, False])
def test_sharegpt_as_lines_or_as_a_list(tmp_path: Path, as_lines: bool) -> None:
    text = "\n".join(map(json.dumps, SHARED)) if as_lines else json.dumps(SHARED)
    out = imported(tmp_path, put(tmp_path, "t.jsonl", text), "sharegpt")
    first, second = read_sessions(out / "sessions.jsonl")
    assert (first.session_id, second.session_id) == ("x1", "x2")
    assert first.meta["system"] == "Be kind."
    assert [turn.text for turn in second.turns] == ["No.", "All right."]


def test_speakers_can_be_mapped_and_a_persona_given(tmp_path: Path) -> None:
    path = put(tmp_path, "t.txt", "Dr. Lee: Come in.\n\nMax: If I must.\n")
    out = imported(tmp_path, path, "text", "--speakers", "Dr. Lee=therapist,Max=patient", "--persona", "max")
    (session,) = read_sessions(out / "sessions.jsonl")
    assert [str(turn.speaker) for turn in session.turns] == ["therapist", "patient"]
    assert (session.persona_id, session.session_id) == ("max", "t")


def test_sessions_and_persons_whose_names_are_in_other_scripts_stay_apart(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    names = ("\u65e5\u672c", "\u4e2d\u56fd", "_a b", 7)
    talks = [{"id": name, "persona": name, "messages": said} for name in names]
    out = imported(tmp_path, put(tmp_path, "t.json", json.dumps(talks)), "messages")
    sessions = list(read_sessions(out / "sessions.jsonl"))
    assert len({session.persona_id for session in sessions}) == len(names)
    assert {session.session_id for session in sessions} >= {"a-b", "7"}
    assert {session.meta.get("id") for session in sessions} == {*names[:3], None}
    assert {session.meta.get("persona") for session in sessions} == {*names[:3], None}


def test_what_a_session_says_of_its_system_is_kept_beside_the_message(tmp_path: Path) -> None:
    (shared, *_) = SHARED
    path = put(tmp_path, "t.json", json.dumps({**shared, "system": "Be brief."}))
    (session,) = read_sessions(imported(tmp_path, path, "sharegpt") / "sessions.jsonl")
    assert session.meta["system"] == "Be brief.\n\nBe kind."


@pytest.mark.parametrize("empty", [None, "", " ", []])
def test_a_message_that_only_calls_a_tool_is_left_out(tmp_path: Path, empty: object) -> None:
    said = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": empty, "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "content": "Hello."},
    ]
    (session,) = read_sessions(
        imported(tmp_path, put(tmp_path, "t.json", json.dumps(said)), "messages") / "sessions.jsonl"
    )
    assert [turn.text for turn in session.turns] == ["Hi.", "Hello."]


def test_two_persons_in_one_session_of_a_table_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path, "t.csv", "who,text,p\npatient,Hi.,anna\ntherapist,Hello.,ben\n")
    assert main(["import", str(path), "--format", "csv", *RIGHTS, "--columns", "speaker=who,text=text,persona=p"]) == 2
    assert "t.csv:3: session t: its persona 'ben' differs from that of its first row" in capsys.readouterr().err


TALK = "Patient: Hi.\n\nTherapist: Hello.\n"
ENDED = {
    "text": f"{TALK}\nPatient: What?\n\nTherapist: [Error: timeout]\n",
    "messages": '[["user","Hi."],["assistant","Hello."],["user","What?"],["assistant","[Error: timeout]"]]',
    "csv": "speaker,text\npatient,Hi.\ntherapist,Hello.\npatient,What?\ntherapist,[Error: timeout]\n",
}


@pytest.mark.parametrize("form", ENDED)
def test_an_error_that_ended_a_session_is_no_turn_in_any_format(tmp_path: Path, form: str) -> None:
    text = ENDED[form]
    if form == "messages":
        text = json.dumps([{"role": role, "content": said} for role, said in json.loads(text)])
    columns = ["--columns", "speaker=speaker,text=text"] if form == "csv" else []
    out = imported(tmp_path, put(tmp_path, f"t.{form}", text), form, *columns)
    (session,) = read_sessions(out / "sessions.jsonl")
    assert [turn.text for turn in session.turns] == ["Hi.", "Hello.", "What?"]
    assert session.meta["error"] == "[Error: timeout]"


BROKEN: Mapping[str, tuple[str, str, str]] = {
    "empty": ("text", "", "is empty"),
    "no turns": ("text", "\n# Notes\n", "no turn found"),
    "text before turns": ("text", "Some notes.\n" + TALK, ":1: expected"),
    "empty turn": ("text", "Patient:\n\nTherapist: Hello.\n", ":1: the patient's turn is empty"),
    "one speaker": ("text", "Patient: Hi.\n", "no turn of the therapist"),
    "error as a turn": ("text", "Patient: Hi.\n\nTherapist: [Error: timeout]\n\nPatient: What?\n\nTherapist: So.\n", ":3:"),
    "error as a message": (
        "messages",
        '[{"role":"user","content":"a"},{"role":"gpt","content":"[Error: timeout]"},{"role":"user","content":"b"}]',
        "message 1: the therapist's turn is an error",
    ),
    "broken head": ("text", "---\nid: [a\n---\n" + TALK, ":2: the head is not valid YAML"),
    "unsafe head": ("text", "---\na: !!python/object/apply:os.system [x]\n---\n" + TALK, "the head is not valid YAML"),
    "id of another kind": ("text", "---\nid: [1, 2]\n---\n" + TALK, ":2: id: found"),
    "not JSON": ("messages", "{'role': 'user'}", ":1: not JSON"),
    "a line that is no JSON": ("messages", '[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]\n{"x":', ":2: not JSON"),
    "no messages": ("messages", '{"title": "x"}', "no list of messages"),
    "no role": ("messages", '[{"role":"user","content":"a"},{"content":"b"}]', "message 1: no role"),
    "unknown speaker": ("messages", '[{"role":"usr2","content":"a"}]', "speaker 'usr2' is not known"),
    "text is a number": ("messages", '[{"role":"user","content":5}]', "text: found int"),
    "messages are texts": ("messages", '{"messages": ["a", "b"]}', "message 0: found str"),
    "a NUL": ("messages", '[{"role":"user","content":"a\\u0000"}]', "NUL"),
    "sharegpt without value": ("sharegpt", '{"conversations":[{"from":"human","text":"a"}]}', "no value"),
    "sharegpt: messages": ("sharegpt", '{"messages":[{"from":"human","value":"a"}]}', "no list of messages; expected conversations"),
    "same id twice": ("sharegpt", "\n".join(map(json.dumps, [SHARED[0], SHARED[0]])), "ids must differ"),
    "no header column": ("csv", "a,b\n1,2\n", "no column 'speaker'; there are a, b"),
    "cells missing": ("csv", "speaker,text\npatient\n", ":2: 1 cells; expected 2"),
    "open quote": ("csv", 'speaker,text\npatient,"Hi\n', "no table"),
    "a column twice": ("csv", "speaker,text,text\npatient,a,b\n", "there are two columns"),
    "only a header": ("csv", "speaker,text\n", "no row under its header"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_one_clear_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    form, text, reason = BROKEN[name]
    good = put(tmp_path, "good.txt", TALK)
    bad = put(tmp_path, f"bad.{form}", text)
    columns = ["--columns", "speaker=speaker,text=text"] if form == "csv" else []
    files = [str(good), str(bad)] if form == "text" else [str(bad)]
    assert main(["import", *files, "--format", form, "--out", str(tmp_path / "run"), *RIGHTS, *columns]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(bad) in said
    assert reason in said
    assert not (tmp_path / "run").exists()


def test_bytes_that_are_no_text_and_marks_without_a_turn_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"Patient: caf\xe9\n")
    with pytest.raises(Exception, match=r"bad.txt:1: byte 0xe9 is not UTF-8"):
        read_files([bad], "text", Layout(), licence="x", source="y")
    marked = put(tmp_path, "marked.txt", TALK)
    put(tmp_path, "marked.labels.yaml", "turns: {7: {question: open}}\n")
    with pytest.raises(Exception, match=r"marked.labels.yaml: turns: 7 is no turn; expected 0 to 1"):
        read_files([marked], "text", Layout(), licence="x", source="y")


@pytest.mark.parametrize("given", [(), RIGHTS[:2], RIGHTS[2:]])
def test_licence_and_source_are_asked_for(
    tmp_path: Path, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path, "t.txt", TALK)
    assert main(["import", str(path), "--format", "text", "--out", str(tmp_path / "run"), *given]) == 2
    assert "is missing; give --" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_options_without_effect_and_folders_in_use_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path, "t.txt", TALK)
    assert main(["import", str(path), "--format", "text", *RIGHTS, "--columns", "text=a"]) == 2
    assert main(["import", str(path), "--format", "text", *RIGHTS, "--out", str(tmp_path)]) == 2
    assert main(["import", str(path), "--format", "text", *RIGHTS, "--speakers", "a=doctor"]) == 2
    assert main(["import", str(path), "--format", "text", *RIGHTS, "--speakers", "a=patient,a=therapist"]) == 2
    assert main(["import", str(path), "--format", "text", *RIGHTS, "--name", ""]) == 2


@pytest.mark.parametrize(
    ("name", "text", "form", "options"),
    [
        ("t.csv", ANNOTATED, "csv", ("--columns", "session=transcript_id,order=utterance_id,speaker=interlocutor,text=utterance_text")),
        ("t.json", json.dumps(SUPPORT), "messages", ()),
        ("t.jsonl", "\n".join(map(json.dumps, SHARED)), "sharegpt", ()),
    ],
)  # fmt: skip
def test_a_run_of_each_layout_goes_through_metrics_guard_and_export(
    tmp_path: Path, name: str, text: str, form: str, options: tuple[str, ...]
) -> None:
    run = imported(tmp_path, put(tmp_path, name, text), form, *options)
    sessions = list(read_sessions(run / "sessions.jsonl"))
    metrics = orjson.loads((run / "metrics.json").read_bytes())
    assert metrics["sessions"] == len(sessions) == read_record(run).totals.finished
    assert all(session.metrics["guard"] is not None for session in sessions)
    assert main(["export", str(run), "--format", "messages", "--out", str(tmp_path / "out"), "--keep", "all"]) == 0
    rows = lines(tmp_path / "out" / "train.jsonl")
    said = [turn.text for session in sessions for turn in session.turns if turn.speaker is Speaker.THERAPIST]
    assert [m["content"] for row in rows for m in row["messages"] if m["role"] == "assistant"] == said
    assert {row["licence"] for row in rows} == {"CC-BY-4.0"}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: cc-by-4.0" in card
    assert "made up for this test" in card


@pytest.mark.parametrize("words", [("resume",), ("show", "t", "--turn", "1"), ("replay-check",)])
def test_what_needs_a_models_prompts_is_refused_in_one_line(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run = imported(tmp_path, put(tmp_path, "t.txt", TALK), "text")
    command, *rest = words
    assert main([command, str(run), *rest]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "its sessions are imported" in said


def test_the_report_of_an_import_says_where_it_is_from_and_misses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    run = imported(tmp_path, put(tmp_path, "t.txt", TALK), "text")
    assert "CC-BY-4.0" in (run / "report.html").read_text()
    assert "left out" not in capsys.readouterr().err + caplog.text
