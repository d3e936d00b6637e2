"""Fidelity: a few pairs prove nothing about therapists, and fillers are disfluent."""

from random import Random

from harness.cli.fidelity import _discrimination
from harness.fidelity.discrimination import discriminate
from harness.fidelity.measures import PatientTurns
from harness.fidelity.report import _as_dict


def test_a_few_pairs_have_no_interval_and_no_verdict() -> None:
    """Of 400 comparisons of two pairs without a difference, 120 had an interval above 0."""
    random = Random(1)
    for pairs in (2, 3, 5):
        for _ in range(40):
            keys = [(f"p{number}", 0) for number in range(pairs)]
            good, poor = ({key: random.gauss(0, 1) for key in keys} for _ in range(2))
            found = discriminate(good, poor)
            assert found is not None
            assert (found.low, found.high, found.parted) == (None, None, False)
    said = _discrimination(_as_dict(found))
    assert said.endswith("5 pairs; too few pairs to say whether the patients distinguish them; expected six or more")


def test_six_seeds_of_one_persona_have_an_interval() -> None:
    poor = {("p", seed): 0.1 * seed for seed in range(6)}
    found = discriminate({pair: gain + 0.2 + 0.01 * pair[1] for pair, gain in poor.items()}, poor)
    assert found is not None
    assert found.parted
    assert "; the patients distinguish them" in _discrimination(_as_dict(found))


def test_fillers_before_a_comma_are_disfluent_and_the_words_themselves_are_not() -> None:
    turns = PatientTurns()
    turns.add(["Well, I went.", "It was, like, strange.", "I sleep well", "I like it"])
    assert turns.sessions[0]["disfluency"] == 0.5
