"""Import of tables from other systems, and of our own exports."""

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.runs.imports.sessions import Layout
from harness.runs.imports.table import read
from harness.store.records import read_sessions
from harness.types import Speaker

COLUMNS = {"session": "id", "order": "at", "speaker": "who", "text": "what"}


def test_two_speakers_who_say_the_same_at_the_same_time_both_said_it(tmp_path: Path) -> None:
    """Times in whole seconds: only rows of one speaker are several codings of one utterance."""
    path = tmp_path / "talk.csv"
    path.write_text(
        "id,at,who,what,code\ns,1,client,Is it?,\ns,2,therapist,Yes.,a\ns,2,client,Yes.,\ns,2,client,Yes.,b\n"
    )
    (found,) = read(path, Layout(columns=COLUMNS, labels=("code",)))
    said = [(turn.speaker, turn.text, dict(turn.labels)) for turn in found.turns]
    assert said == [
        (Speaker.PATIENT, "Is it?", {"code": ""}),
        (Speaker.THERAPIST, "Yes.", {"code": "a"}),
        (Speaker.PATIENT, "Yes.", {"code": ["", "b"]}),
    ]


@pytest.mark.parametrize("form", ["messages", "sharegpt"])
def test_an_exported_session_that_is_imported_again_keeps_its_source(form: str, tmp_path: Path) -> None:
    """In a row of an export, `source` is how the session was made, and `rights` is where it is from."""
    (tmp_path / "talk.txt").write_text("Patient: I was told to come.\n\nTherapist: And now you are here.\n")
    first, second = tmp_path / "first", tmp_path / "second"
    rights = ["--licence", "CC-BY-4.0", "--source", "our pilot"]
    assert main(["import", str(tmp_path / "talk.txt"), "--format", "text", "--out", str(first), *rights]) == 0
    assert main(["export", str(first), "--format", form, "--out", str(tmp_path / "data")]) == 0
    assert main(["import", str(tmp_path / "data"), "--format", form, "--out", str(second)]) == 0
    (session,) = read_sessions(second / "sessions.jsonl")
    assert (session.meta["licence"], session.meta["source"]) == ("CC-BY-4.0", "our pilot")
