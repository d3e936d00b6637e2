"""Import of what public sets of transcripts look like, each a small file in our own words: columns, keys, line ends, encodings."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import pytest

from harness.__main__ import main
from harness.store.records import read_sessions

RIGHTS = ("--licence", "unknown", "--source", "made up for this test")

ANNOTATED = (
    "mi_quality,transcript_id,video_title,topic,utterance_id,interlocutor,timestamp,utterance_text,annotator_id,"
    "therapist_input_exists,main_therapist_behaviour,client_talk_type\r\n"
    'high,7,Cutting down,reducing alcohol,0,therapist,00:00:09,"So, your daughter asked you to come.",3,TRUE,reflection,n/a\r\n'
    'high,7,Cutting down,reducing alcohol,1,client,00:00:13,"Yeah. She said\r\n""enough"", more or less.",3,n/a,n/a,neutral\r\n'
    "high,7,Cutting down,reducing alcohol,2,therapist,00:00:21,Enough of what?,3,FALSE,question,n/a\r\n"
)
"""One row an utterance, with a quoted newline, doubled quotes and Windows line ends."""
TIMED = (
    "start_time\tstop_time\tspeaker\tvalue\n"
    "36.588\t39.668\tEllie\thi i'm here to talk with you\n"
    "41.8\t43.1\tParticipant\tuh okay \u2028 sure\n"
    "44.0\t45.2\tEllie\thow are you doing today\n"
    "46.1\t46.9\tParticipant\ttired <laughter>\n"
)
"""An interview with a tab between columns, and a line separator of Unicode within a cell."""
SUPPORT = json.dumps(
    [
        {
            "emotion_type": "anger",
            "problem_type": "job crisis",
            "situation": "They moved my desk.",
            "survey_score": {"seeker": {"empathy": "4"}},
            "dialog": [
                {"speaker": "seeker", "annotation": {}, "content": "They moved my desk again.\n"},
                {"speaker": "supporter", "annotation": {"strategy": "Question"}, "content": "Without asking you?"},
            ],
        },
        {
            "emotion_type": "fear",
            "dialog": [
                {"speaker": "usr", "text": "I can't ring them."},
                {"speaker": "sys", "strategy": "Others", "text": "What would they say?"},
            ],
        },
    ],
    indent=2,
)
"""Support talks, in both layouts in which they go round."""
SHARED = "\r\n".join(
    json.dumps(one)
    for one in (
        {
            "id": "a-1",
            "conversations": [
                {"from": "system", "value": "You listen."},
                {"from": "human", "value": "Well."},
                {"from": "gpt", "value": "Well what?"},
            ],
        },
        {
            "id": "a-2",
            "conversations": [
                {"from": "user", "value": "Again."},
                {"from": "chatgpt", "value": "Again."},
                {"from": "observation", "value": "none"},
            ],
        },
    )
)
"""ShareGPT, one a line, Windows line ends."""
CHATS = "\n".join(
    json.dumps(one)
    for one in (
        {
            "messages": [
                {"role": "developer", "content": "You are a counsellor."},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "I am"}, {"type": "input_text", "text": "late."}],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "1", "content": "{}"},
                {"role": "assistant", "content": "Late for whom?", "weight": 1},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "No."},
                {"role": "assistant", "content": [{"type": "output_text", "text": "All right."}]},
            ]
        },
    )
)
"""Messages as chat models take them: parts, a call of a tool, the newer name of the system role."""
SEMICOLONS = "Sitzung;Wer;Wann;Was;\r\nS1;P;00:01:02;Ja; \r\nS1;T;00:00:10;Gut geschlafen?; \r\n"
"""A spreadsheet as it is saved where the comma is for decimals: a column without a name, and rows out of order."""
TALK = "Patient: Es geht.\r\n\r\nTherapist: Es geht?\r\n"

COLUMNS = "session=transcript_id,order=utterance_id,speaker=interlocutor,text=utterance_text"
LAYOUTS: Mapping[str, tuple[str, str, str, str, Sequence[str], list[list[str]]]] = {
    "annotated csv": (
        "csv",
        "a.csv",
        ANNOTATED,
        "utf-8",
        ("--columns", COLUMNS, "--labels", "all", "--meta", "mi_quality,topic"),
        [["So, your daughter asked you to come.", 'Yeah. She said\n"enough", more or less.', "Enough of what?"]],
    ),
    "annotated csv by time": (
        "csv",
        "a.csv",
        ANNOTATED,
        "utf-8-sig",
        ("--columns", COLUMNS.replace("utterance_id", "timestamp")),
        [["So, your daughter asked you to come.", 'Yeah. She said\n"enough", more or less.', "Enough of what?"]],
    ),
    "timed tsv": (
        "csv",
        "301_TRANSCRIPT.tsv",
        TIMED,
        "utf-8",
        (
            "--columns",
            "speaker=speaker,text=value,order=start_time",
            "--speakers",
            "Ellie=therapist,Participant=patient",
        ),
        [["hi i'm here to talk with you", "uh okay \u2028 sure", "how are you doing today", "tired <laughter>"]],
    ),
    "timed tsv called csv": (
        "csv",
        "301_TRANSCRIPT.csv",
        TIMED,
        "utf-8",
        ("--columns", "speaker=speaker,text=value", "--speakers", "Ellie=therapist,Participant=patient"),
        [["hi i'm here to talk with you", "uh okay \u2028 sure", "how are you doing today", "tired <laughter>"]],
    ),
    "support json": (
        "messages",
        "s.json",
        SUPPORT,
        "utf-8",
        (),
        [["They moved my desk again.", "Without asking you?"], ["I can't ring them.", "What would they say?"]],
    ),
    "support json, UTF-16": (
        "messages",
        "s.json",
        SUPPORT,
        "utf-16",
        (),
        [["They moved my desk again.", "Without asking you?"], ["I can't ring them.", "What would they say?"]],
    ),
    "sharegpt lines": ("sharegpt", "s.jsonl", SHARED, "utf-8", (), [["Well.", "Well what?"], ["Again.", "Again."]]),
    "messages with parts": (
        "messages",
        "m.jsonl",
        CHATS,
        "utf-8",
        (),
        [["I am\nlate.", "Late for whom?"], ["No.", "All right."]],
    ),
    "semicolons": (
        "csv",
        "g.csv",
        SEMICOLONS,
        "utf-8-sig",
        ("--columns", "session=Sitzung,speaker=Wer,text=Was,order=Wann", "--speakers", "P=patient,T=therapist"),
        [["Gut geschlafen?", "Ja"]],
    ),
    "semicolons, UTF-16": (
        "csv",
        "g.csv",
        SEMICOLONS,
        "utf-16",
        ("--columns", "session=Sitzung,speaker=Wer,text=Was,order=Wann", "--speakers", "P=patient,T=therapist"),
        [["Gut geschlafen?", "Ja"]],
    ),
    "text, Windows": ("text", "t.txt", TALK, "utf-8-sig", (), [["Es geht.", "Es geht?"]]),
    "text, UTF-16": ("text", "t.txt", TALK, "utf-16", (), [["Es geht.", "Es geht?"]]),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_public_sets_are_read_whole_and_go_through_metrics_and_export(tmp_path: Path, name: str) -> None:
    form, file, text, encoding, options, expected = LAYOUTS[name]
    (tmp_path / file).write_bytes(text.encode(encoding))
    run = tmp_path / "run"
    assert main(["import", str(tmp_path / file), "--format", form, "--out", str(run), *RIGHTS, *options]) == 0
    sessions = list(read_sessions(run / "sessions.jsonl"))
    assert [[turn.text for turn in session.turns] for session in sessions] == expected
    assert all(session.metrics["therapist"]["turns"] and "guard" in session.metrics for session in sessions)
    assert main(["export", str(run), "--format", "messages", "--out", str(tmp_path / "out"), "--keep", "all"]) == 0
    assert len((tmp_path / "out" / "train.jsonl").read_bytes().splitlines()) == len(expected)


def test_what_a_set_says_beside_the_texts_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ANNOTATED.encode())
    options = ("--columns", COLUMNS, "--labels", "all", "--meta", "mi_quality,topic")
    assert (
        main(["import", str(tmp_path / "a.csv"), "--format", "csv", "--out", str(tmp_path / "a"), *RIGHTS, *options])
        == 0
    )
    (session,) = read_sessions(tmp_path / "a" / "sessions.jsonl")
    assert (session.session_id, session.meta["topic"], session.meta["mi_quality"]) == ("7", "reducing alcohol", "high")
    marked = [orjson.loads(line) for line in (tmp_path / "a" / "labels.jsonl").read_bytes().splitlines()]
    assert [line["labels"]["main_therapist_behaviour"] for line in marked] == ["reflection", "n/a", "question"]
    (tmp_path / "m.jsonl").write_text(CHATS)
    assert (
        main(["import", str(tmp_path / "m.jsonl"), "--format", "messages", "--out", str(tmp_path / "m"), *RIGHTS]) == 0
    )
    first, _ = read_sessions(tmp_path / "m" / "sessions.jsonl")
    assert first.meta["system"].splitlines()[0] == "You are a counsellor."


TABLE = ("--columns", "speaker=who,text=what,order=n")
BROKEN: Mapping[str, tuple[str, bytes, Sequence[str], int, str]] = {
    "a message of a list": (
        "messages",
        b'[\n {"messages": [\n  {"role": "user", "content": "a"},\n  {"role": "judge", "content": "b"}\n ]}\n]',
        (),
        4,
        "session 0: message 1: speaker 'judge' is not known",
    ),
    "the list under the last of two equal keys": (
        "messages",
        b'{"messages": [{}],\n"messages": [\n{"role": "user", "content": 1}]}',
        (),
        3,
        "message 0: text: found int",
    ),
    "the second session of a list": (
        "sharegpt",
        b'[{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},'
        b'\n\n{"conversations": [{"from": "human", "value": "a"}]}]',
        (),
        3,
        "no turn of the therapist",
    ),
    "sessions that are numbers": ("messages", b"[\n1,\n2]", (), 2, "session 0: found int"),
    "an empty list": ("messages", b"\n\n[]", (), 3, "an empty list"),
    "an image": (
        "messages",
        b'{"messages": [{"role": "user", "content": [\n{"type": "image_url", "image_url": {"url": "x"}}]}]}',
        (),
        1,
        "a part that is not text",
    ),
    "content is null": (
        "messages",
        b'{"messages": [\n{"role": "user", "content": null}]}',
        (),
        2,
        "text: found NoneType",
    ),
    "nested too deeply": ("messages", b"[" * 1010 + b"]" * 1010, (), 1, "nested too deeply"),
    "half a character of UTF-16": ("messages", b"\xff\xfe[\x00\n\x00]", (), 2, "begins as UTF-16"),
    "UTF-16 without its mark": ("text", "Patient: a".encode("utf-16-le"), (), 1, ""),
    "Latin 1": ("csv", b"who,what,n\npatient,caf\xe9,1\n", TABLE, 2, "byte 0xe9 is not UTF-8"),
    "a row too long": ("csv", b'who,what,n\npatient,"a\nb",1\npatient,a,b,2\n', TABLE, 4, "4 cells; expected 3"),
    "a quote that stays open": ("csv", b'who,what,n\npatient,a,1\ntherapist,"b,2\nx,y,3\n', TABLE, 3, "no table"),
    "no order": ("csv", b"who,what,n\npatient,a,1\ntherapist,b,soon\n", TABLE, 3, "order: found 'soon'"),
    "an order that is no number": (
        "csv",
        b"who,what,n\npatient,a,nan\ntherapist,b,2\n",
        TABLE,
        2,
        "order: found 'nan'",
    ),
    "an empty turn": ("csv", b"who,what,n\npatient,a,1\ntherapist, ,2\n", TABLE, 3, "turn is empty"),
    "two columns that differ by a space": (
        "csv",
        b"who,what,n,what \npatient,a,1,b\n",
        TABLE,
        1,
        "there are two columns 'what'",
    ),
    "a wrong name for a column": ("csv", b"who,waht,n\npatient,a,1\n", TABLE, 1, "no column 'what'"),
    "nobody": ("csv", b"who,what,n\n,a,1\n", TABLE, 2, "speaker: found ''"),
    "an answer of a server": (
        "text",
        b"Patient: a\n\nTherapist: b\n\nPatient: c\n\nTherapist: [HTTP error 500]\n\nPatient: d\n",
        (),
        7,
        "is an error message",
    ),
    "a page of HTML": ("messages", b"<html>\n<body>", (), 1, "not JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_file_line_and_reason(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    form, content, options, line, reason = BROKEN[name]
    path = tmp_path / "bad.x"
    path.write_bytes(content)
    assert main(["import", str(path), "--format", form, "--out", str(tmp_path / "run"), *RIGHTS, *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{path}:{line}: " in said
    assert reason in said
    assert sorted(tmp_path.iterdir()) == [path]


def test_codes_that_are_values_of_a_column_are_compared(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ANNOTATED.encode())
    labels = ("--columns", COLUMNS, "--labels", "therapist_input_exists,main_therapist_behaviour")
    assert (
        main(["import", str(tmp_path / "a.csv"), "--format", "csv", "--out", str(tmp_path / "a"), *RIGHTS, *labels])
        == 0
    )
    assert main(["agree", str(tmp_path / "a"), "--json", str(tmp_path / "agreement.json")]) == 0
    found = orjson.loads((tmp_path / "agreement.json").read_bytes())
    assert {one["code"]: one["coded"] for one in found["classifier"]["codes"]} == {
        "question": 1,
        "reflection": 1,
        "therapist_input": 1,
    }
