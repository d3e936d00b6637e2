"""Agreement with people's codes: what can't be computed is no number."""

from pathlib import Path

import numpy as np
import pytest

from harness.audit.agreement import agree, read_coded
from harness.audit.agreement.statistics import correlation
from harness.errors import TranscriptError


@pytest.mark.parametrize("rate", [0.1, 1 / 3, 0.7])
def test_equal_rates_in_all_sessions_have_no_correlation(rate: float) -> None:
    """The mean of equal shares is rounded, so that their deviation is not exactly 0."""
    other = np.array([0.2, 0.4, 0.6])
    assert np.isnan(correlation(np.full(3, rate), other))
    assert np.isnan(correlation(other, np.full(3, rate)))
    assert correlation(other, rate * other) == pytest.approx(1)


@pytest.mark.parametrize("turn", ["nan", "inf", "", "two"])
def test_a_turn_without_a_place_is_refused_by_line(turn: str, tmp_path: Path) -> None:
    """Turns are sorted by this number, and nothing sorts with one that is not a number."""
    path = tmp_path / "coded.csv"
    path.write_text(f"session_id,turn,speaker,text,codes\ns,1,patient,Hi,\ns,{turn},therapist,Go on.,\n")
    with pytest.raises(TranscriptError, match=f":3: turn: found '{turn}', expected a number"):
        read_coded(path)


@pytest.mark.parametrize(("name", "sign"), [("c.csv", ","), ("c.csv", ";"), ("c.csv", "\t"), ("c.tsv", "\t")])
def test_a_table_is_read_as_spreadsheets_of_all_countries_write_it(name: str, sign: str, tmp_path: Path) -> None:
    path = tmp_path / name
    rows = (
        ("session_id", "turn", "speaker", "text", "codes"),
        ("s", "1", "patient", '"I smoke, a lot; ""two"" packs."', ""),
        ("s", "2", "therapist", "Two.", "reflection|safety"),
    )
    path.write_text("".join(sign.join(row) + "\n" for row in rows))
    (session,) = read_coded(path)
    assert [turn.text for turn in session.turns] == ['I smoke, a lot; "two" packs.', "Two."]
    assert session.codes == {1: {"reflection", "safety"}}


def test_a_session_without_a_group_is_in_neither(tmp_path: Path) -> None:
    """An empty cell is no lower quality."""
    path = tmp_path / "coded.csv"
    turns = "{0},1,patient,I smoke.,,{1}\n{0},2,therapist,{2},question,{1}\n"
    asked = {"a": ("high", "And then?"), "b": ("low", "You must stop."), "c": ("", "Why? Why?"), "d": (" ", "Who?")}
    rows = [turns.format(name, group, text) for name, (group, text) in asked.items()]
    path.write_text("session_id,turn,speaker,text,codes,quality\n" + "".join(rows))
    found = agree(read_coded(path), group="quality", high="high")
    assert found.areas["question_rate"].value == 1.0
