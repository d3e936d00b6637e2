"""Intervals hold the truth as often as they say, in simulated experiments."""

import pytest

from scripts.bench.coverage import HIGH, LOW, SCENARIOS, Scenario, clustered, coverage


@pytest.mark.parametrize("pairs", [8, 40])
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if not s.stress], ids=lambda s: s.name)
def test_of_2000_experiments_93_to_97_percent_hold_the_truth(scenario: Scenario, pairs: int) -> None:
    """Paired differences with the skew of real metrics, at the sizes that people can pay for."""
    found = coverage(scenario, pairs, experiments=2000)
    assert LOW <= found.covered <= HIGH
    assert found.without < 0.02


def test_personas_are_resampled_because_sessions_alone_promise_too_much() -> None:
    by_persona, by_session = clustered(experiments=2000)
    assert LOW <= by_persona <= HIGH
    assert by_session < 0.90
