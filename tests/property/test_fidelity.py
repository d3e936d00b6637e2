"""Fidelity: people's measures, distances that mean something, and good parted from poor in pairs."""

import json
import time
from pathlib import Path

import numpy as np
import orjson
import pytest
from scipy.stats import wasserstein_distance

from harness.errors import TranscriptError
from harness.fidelity.discrimination import discriminate
from harness.fidelity.measures import PatientTurns
from harness.fidelity.reference import FILE, from_transcripts, shipped, wasserstein
from harness.fidelity.report import fidelity
from harness.paths import written_dir
from harness.personas.schema import Channel
from harness.store.encoding import encode
from tests.fixtures.comparing import config, write_run


def test_the_distance_is_scipy_s() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        one, other = sorted(random.gamma(2, 5, 30).tolist()), sorted(random.gamma(1, 9, 17).tolist())
        assert wasserstein(one, other) == pytest.approx(wasserstein_distance(one, other))


def test_the_shipped_references_name_source_and_licence() -> None:
    for entry in json.loads(FILE.read_text(encoding="utf-8")).values():
        assert entry["source"].startswith("https://")
        assert entry["licence"]
    typed = shipped(Channel.TYPED)
    assert typed.measures["words_of_a_turn"]["median"] == 8
    assert typed.distance([1, 2, 3, 8, 8, 9, 15, 28]) is not None
    assert (typed.distance([60.0] * 50) or 0) > 30 > (typed.distance([8.0] * 50) or 0)


def test_turns_are_measured_one_session_at_a_time() -> None:
    turns = PatientTurns()
    turns.add(["I don't know.", "Maybe. Why do you ask?", "um, no"], "a", "max_exchanges")
    turns.add(["I sold the boat last spring and nobody asked me why."], "b", "patient_ended")
    turns.add([], "c")
    told = turns.measured()
    assert (told["sessions"], told["turns"]) == (2, 4)
    assert told["measures"]["short_turns"]["n"] == 2
    assert told["population"]["entropy_of_outcomes"] == 1.0
    assert told["population"]["likeness_of_wording"] == pytest.approx(0.0, abs=0.3)
    assert told["session"]["trust_slope"] is None


def test_a_reference_is_made_of_any_transcripts(tmp_path: Path) -> None:
    made = from_transcripts(written_dir())
    assert made.measures["sessions"] >= 48
    assert made.distance([8.0] * 20) is not None
    with pytest.raises(TranscriptError, match="no transcript"):
        from_transcripts(tmp_path)


def test_a_good_therapist_and_a_poor_one_part_where_they_differ_and_not_where_they_do_not() -> None:
    random = np.random.default_rng(1)
    poor = {(f"p{n}", 0): float(random.normal(0, 0.05)) for n in range(12)}
    good = {pair: gain + 0.2 for pair, gain in poor.items()}
    noise = {pair: gain + float(random.normal(0, 0.05)) for pair, gain in poor.items()}
    parted, alike = discriminate(good, poor), discriminate(noise, poor)
    assert parted is not None
    assert alike is not None
    assert parted.parted
    assert parted.difference == pytest.approx(0.2)
    assert not alike.parted
    assert alike.low is not None
    assert alike.high is not None
    assert alike.low < alike.difference < alike.high
    assert discriminate(good, {("other", 1): 0.0}) is None


def test_equal_differences_have_no_effect_size_and_rounding_makes_none() -> None:
    poor = {("a", 0): 0.1, ("b", 0): 0.3, ("c", 0): 0.5}
    found = discriminate({pair: round(gain + 0.2, 1) for pair, gain in poor.items()}, poor)
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert found.effect is None


def test_the_auc_is_the_share_of_all_pairs_and_ties_count_half() -> None:
    random = np.random.default_rng(2)
    poor = {(f"p{n}", 0): float(random.integers(0, 5)) for n in range(40)}
    good = {pair: float(random.integers(1, 6)) for pair in poor}
    found = discriminate(good, poor)
    assert found is not None
    pairs = [(a, b) for a in good.values() for b in poor.values()]
    assert found.auc == pytest.approx(sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs))


def test_many_sessions_are_compared_in_time() -> None:
    poor = {(f"p{n % 50}", n): n % 97 / 100 for n in range(8_000)}
    good = {pair: gain + 0.1 for pair, gain in poor.items()}
    began = time.process_time()
    assert discriminate(good, poor) is not None
    assert time.process_time() - began < 8.0


def test_every_other_therapist_counts_and_a_run_counts_once(tmp_path: Path) -> None:
    """The order of the runs changes nothing, and neither does a run that is given with its sweep."""
    found = []
    for order in (("act", "cbt", "poor"), ("poor", "cbt", "act")):
        sweep = tmp_path / "-".join(order)
        for number, therapist in enumerate(order):
            folder = write_run(sweep / f"{number}", config(therapist=therapist), [(f"p{n}", 0, {}) for n in range(6)])
            end = {"act": 0.9, "cbt": 0.5, "poor": 0.2}[therapist]
            lines = [orjson.loads(line) for line in (folder / "sessions.jsonl").read_bytes().splitlines()]
            for line in lines:
                line["turns"] = [
                    {"index": at, "speaker": "patient", "text": "I don't know.",
                     "patient_state": {"trust": trust, "openness": 0.1, "told": 0}}
                    for at, trust in ((0, 0.1), (2, end))
                ]  # fmt: skip
            (folder / "sessions.jsonl").write_bytes(b"".join(map(encode, lines)))
        found.append(fidelity([sweep, sweep / "0"], shipped(Channel.TYPED)))
    assert found[0] == found[1]
    assert found[0]["patients"]["sessions"] == 18
    assert found[0]["discrimination"]["good"] == pytest.approx(0.6)
    assert found[0]["discrimination"]["poor"] == pytest.approx(0.1)
