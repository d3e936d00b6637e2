"""Agreement with people's codes: what can't be computed is no number."""

import numpy as np
import pytest

from harness.audit.agreement.statistics import correlation


@pytest.mark.parametrize("rate", [0.1, 1 / 3, 0.7])
def test_equal_rates_in_all_sessions_have_no_correlation(rate: float) -> None:
    """The mean of equal shares is rounded, so that their deviation is not exactly 0."""
    other = np.array([0.2, 0.4, 0.6])
    assert np.isnan(correlation(np.full(3, rate), other))
    assert np.isnan(correlation(other, np.full(3, rate)))
    assert correlation(other, rate * other) == pytest.approx(1)
