"""Replay transcripts: what can be read is read whole, and what can't be read says where."""

import json
from pathlib import Path

import pytest

from harness.agents.text_form import is_error
from harness.agents.transcript import read_transcript
from harness.errors import TranscriptError


def write(folder: Path, text: str, name: str = "t.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_turns_span_paragraphs_and_lists_and_labels_may_be_bold(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "# Session 4\n\n---\n\n**Patient:** First.\n\nStill me:\n- one\n- two\n\nTHERAPIST: Thanks: go on.\n"
        "patient : Second.\n\n**Therapist**: Last.\n",
    )
    transcript = read_transcript(path)
    assert transcript.patient == ("First.\n\nStill me:\n- one\n- two", "Second.")
    assert transcript.therapist == ("Thanks: go on.", "Last.")
    assert transcript.error is None


def test_a_bracketed_error_as_the_last_therapist_turn_is_dropped(tmp_path: Path) -> None:
    message = "[Error: This model's maximum context length is 9000 tokens.\nHowever, you requested 9041 tokens [9041].]"
    transcript = read_transcript(
        write(tmp_path, f"Patient: Hello.\n\nTherapist: Hi.\n\nPatient: So.\n\nTherapist: {message}\n")
    )
    assert transcript.patient == ("Hello.", "So.")
    assert transcript.therapist == ("Hi.",)
    assert transcript.error == message


@pytest.mark.parametrize(
    "text", ["[sighs]", "[long silence] I don't know.", "An error, she said.", "[laughs] error [cries]"]
)
def test_stage_directions_are_no_errors(text: str) -> None:
    assert not is_error(text)


def test_an_error_below_the_last_turn_is_dropped(tmp_path: Path) -> None:
    transcript = read_transcript(write(tmp_path, "Patient: a\n\nTherapist: b\n\nPatient: c\n\n[Error: timed out]\n"))
    assert transcript.patient == ("a", "c")
    assert transcript.error == "[Error: timed out]"


def test_a_stage_direction_between_paragraphs_is_kept(tmp_path: Path) -> None:
    said = "I can't.\n\n[fails to look up]\n\nSorry."
    assert read_transcript(write(tmp_path, f"Patient: {said}\n\nTherapist: b\n")).patient == (said,)


def line(session_id: str, *texts: str) -> str:
    turns = [{"index": i, "speaker": ("patient", "therapist")[i % 2], "text": t} for i, t in enumerate(texts)]
    return json.dumps({"session_id": session_id, "turns": turns})


def test_a_session_of_a_run_is_chosen_by_its_id(tmp_path: Path) -> None:
    path = write(tmp_path, line("a", "Hi.", "Hello.") + "\n" + line("b", "Yo.", "Hm.", "Bye.") + "\n", "sessions.jsonl")
    assert read_transcript(path, "b").patient == ("Yo.", "Bye.")
    only = write(tmp_path, line("a", "Hi.", "Hello.") + "\n", "one.jsonl")
    assert read_transcript(only).patient == ("Hi.",)


@pytest.mark.parametrize(
    ("text", "session", "where", "what"),
    [
        ("Once upon a time.\n", None, ":1:", "expected 'Patient:' or 'Therapist:'"),
        ("", None, ":1:", "no turn found"),
        ("Patient: Hi.\n\nTherapist:\n\nPatient: So.\n", None, ":3:", "the therapist's turn is empty"),
        ("Therapist: Hi.\n", None, ":1:", "no patient turn"),
        ("Patient: [Error: timeout]\n\nTherapist: Hm.\n", None, ":1:", "error message"),
        ("Patient: a\n\nTherapist: [Error: 500]\n\nPatient: b\n", None, ":3:", "error message"),
        ("Patient: a\n\n[Error: x\ny]\n\nPatient: b\n", None, ":1:", "an error message stands in the patient's turn"),
        ("Patient: a\n\nTherapist: b\n\n[HTTP error 500]\n\nPatient: c\n", None, ":3:", "in the therapist's turn"),
        ('Patient: a\n{"session_id": "x", "turns": []}\n', None, ":2:", "sessions.jsonl inside a text"),
        ('{"session_id": "x", "turns": []}\nPatient: a\n', "x", ":2:", "text turn inside a sessions.jsonl"),
        ('{"session_id": "x", "turns": []}\n{broken\n', "x", ":2:", "not JSON"),
        ('{"turns": []}\n', "x", ":1:", "no session_id"),
        ('{"session_id": "x"}\n', "x", ":1:", "turns: expected a list"),
        (
            '{"session_id": "x", "turns": [{"speaker": "dog", "text": "w"}]}\n',
            "x",
            ":1:",
            "expected patient or therapist",
        ),
        (line("a", "x", "y") + "\n" + line("b", "x", "y"), "c", "", "no session 'c'; expected one of a, b"),
        (
            line("a", "x", "y") + "\n" + line("b", "x", "y"),
            None,
            "",
            "patient.session is not set; expected one of a, b",
        ),
        ("Patient: a\n", "a", "", "is a text transcript, but patient.session=a"),
    ],
)
def test_a_bad_file_gives_one_line_with_file_and_line(
    tmp_path: Path, text: str, session: str | None, where: str, what: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(TranscriptError) as caught:
        read_transcript(path, session)
    message = str(caught.value)
    assert message.startswith(f"{path}{where}")
    assert what in message
    assert "\n" not in message


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"Patient: Hi.\n\nTherapist: caf\xe9\n")
    with pytest.raises(TranscriptError, match=r"latin\.txt:3: byte 0xe9 is not UTF-8"):
        read_transcript(path)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="no such file"):
        read_transcript(tmp_path / "none.txt")
    with pytest.raises(TranscriptError, match="is a folder"):
        read_transcript(tmp_path)


def test_a_yaml_head_is_no_dialogue(tmp_path: Path) -> None:
    head = "---\nid: a\npersona: widower\ntherapist: mi\n---\n"
    assert read_transcript(write(tmp_path, f"{head}\nPatient: Hi.\n\nTherapist: Hello.\n")).patient == ("Hi.",)
    ruled = write(tmp_path, "---\n\nPatient: Hi.\n\n---\n\nTherapist: Hello.\n")  # a rule is no head
    assert read_transcript(ruled).therapist == ("Hello.",)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        ("id: [a", ":2: the head is not valid YAML"),
        ("- a\n- b", ":2: the head is not a mapping"),
        ("a: !!python/name:os.system x", "not valid YAML"),
    ],
)
def test_a_broken_head_is_refused_with_its_line(tmp_path: Path, head: str, what: str) -> None:
    with pytest.raises(TranscriptError, match=what):
        read_transcript(write(tmp_path, f"---\n{head}\n---\nPatient: Hi.\n"))
