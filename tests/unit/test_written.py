"""The written sessions, and what is made of them by rule."""

from pathlib import Path

import pytest

from harness.errors import TranscriptError
from harness.judges.written import variants
from harness.judges.written.library import WrittenSession, read, sessions
from harness.types import Speaker

ALL = list(sessions())
GOOD = [session for session in ALL if session.quality == "good"]


def test_all_are_read_with_their_labels() -> None:
    assert len(ALL) >= 48
    for session in ALL:
        assert session.turns[0][0] is Speaker.PATIENT
        assert session.labels


def test_quotes_of_labels_stand_in_their_turns() -> None:
    for session in ALL:
        for key in ("facts", "agreed", "faults"):
            for entry in session.labels.get(key, ()):
                assert entry["quote"] in session.turns[entry["turn"]][1], (session.id, entry)
        for number in session.labels["turns"]:
            assert session.turns[number][0] is Speaker.THERAPIST


@pytest.mark.parametrize("session", GOOD[:6], ids=lambda session: session.id)
def test_variants_change_what_they_say_and_nothing_else(session: WrittenSession) -> None:
    turns = session.turns
    number = variants.place(turns, Speaker.THERAPIST, 0.5)
    clean, planted = variants.planted(turns, number, "Shame on you.", before="i lied", instead="You told me.")
    assert clean[number - 1][1] == "i lied"
    for made in (
        variants.swapped(turns),
        variants.stripped(turns),
        variants.cut(turns, number),
        variants.doubled(turns, number),
        variants.neutral(turns),
        variants.longer(turns),
        variants.praise(turns),
        variants.instruction(turns),
    ):
        assert len(made.turns) == len(turns)
        differ = [at for at, (one, other) in enumerate(zip(turns, made.turns, strict=True)) if one != other]
        assert set(differ) <= set(made.changed)
        assert differ
    assert [at for at, (a, b) in enumerate(zip(clean, planted.turns, strict=True)) if a != b] == [number]
    same = variants.neutral(turns)
    assert sum(len(text) for _, text in same.turns) == sum(len(text) for _, text in turns)
    assert len(same.changed) == 1


def test_kept_turns_stay() -> None:
    turns = GOOD[0].turns
    keep = (1, 2, len(turns) - 1)
    for change in (variants.neutral, variants.longer, variants.praise, variants.instruction):
        made = change(turns, keep)
        assert all(turns[at] == made.turns[at] for at in keep)


def test_a_broken_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for text, said in (
        ("Patient: hi", "expected a head"),
        ("---\nid: x\n---\nPatient: hi\n", "no persona in the head"),
        ("---\nid: [x\n---\n", "not valid YAML"),
    ):
        path.write_text(text)
        with pytest.raises(TranscriptError, match=said):
            read(path)
