"""Tables of utterances from other systems."""

from pathlib import Path

from harness.runs.imports.sessions import Layout
from harness.runs.imports.table import read
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
