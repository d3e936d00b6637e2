"""Agreement with people's codes: what can't be computed is no number."""

from pathlib import Path

import numpy as np
import pytest

from harness.audit.agreement import read_coded
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
