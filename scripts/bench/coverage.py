"""How often the intervals of `harness compare` contain the true value, in simulated experiments.

    python scripts/bench/coverage.py [--experiments 2000] [--contrast] [--json PATH]

Each experiment simulates two settings on the same personas and seeds, with shared difficulty and the kinds of noise that
the metrics have, and computes a 95 % interval of the mean difference. `--contrast` adds the percentile and BCa intervals
of scipy.stats.bootstrap on the same data (takes minutes). In scenarios marked as stress no interval can be good: nearly
all values are 0, or a few values dominate the mean.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from harness.comparison.bootstrap import estimates

SIZES = (8, 10, 15, 20, 30, 40)
PERSONAS, SESSIONS = 12, 4
LOW, HIGH = 0.93, 0.97
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Paired differences of one kind of metric."""

    name: str
    draw: Callable[[Generator, tuple[int, int]], Array]
    """(experiments, pairs) differences."""
    truth: float
    stress: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of the experiments with an interval whose interval contains the true value."""

    scenario: str
    pairs: int
    covered: float
    without: float
    """Share of experiments without an interval."""
    stress: bool


def _differences(a: ArrayLike, b: ArrayLike) -> Array:
    return np.subtract(a, b, dtype=np.float64)


def words(random: Generator, shape: tuple[int, int]) -> Array:
    """Words per turn: personas differ much more than settings do."""
    persona = random.normal(60, 20, shape)
    return (persona + random.normal(3, 8, shape)) - (persona + random.normal(0, 8, shape))


def facts(random: Generator, shape: tuple[int, int]) -> Array:
    """Share of 12 facts kept by two policies that both lose some."""
    kept = random.binomial(12, random.beta(6, 2, shape)), random.binomial(12, random.beta(4, 3, shape))
    return kept[0] / 12 - kept[1] / 12


def forgotten(random: Generator, shape: tuple[int, int]) -> Array:
    """Share of facts kept by one policy that loses none and one that loses some: skewed to one side."""
    return 1 - random.beta(6, 2, shape)


def questions(random: Generator, shape: tuple[int, int]) -> Array:
    """Share of 20 turns with a question."""
    asked = random.binomial(20, random.beta(2, 5, shape)), random.binomial(20, random.beta(2, 8, shape))
    return asked[0] / 20 - asked[1] / 20


def costs(random: Generator, shape: tuple[int, int]) -> Array:
    """Prefilled prompt tokens per generated token: lognormal, with a shared difficulty."""
    session = random.normal(0, 0.5, shape)
    logs = 0.3 + session + random.normal(0, 0.4, shape), session + random.normal(0, 0.4, shape)
    return _differences(np.exp(logs[0]), np.exp(logs[1]))


def findings(random: Generator, shape: tuple[int, int]) -> Array:
    """Turns with a finding: overdispersed counts with means 3 and 2, half of the spread shared."""
    session = random.gamma(2, 0.5, shape)
    return _differences(random.poisson(3 * session), random.poisson(2 * session))


def crowded(random: Generator, shape: tuple[int, int]) -> Array:
    """Turns with a finding where most sessions have few and some have dozens."""
    return _differences(random.negative_binomial(0.5, 0.2, shape), random.negative_binomial(0.5, 0.4, shape))


def rare(random: Generator, shape: tuple[int, int]) -> Array:
    """Role breaks: in a quarter of the sessions of one setting and a tenth of the other's."""
    often = (random.random(shape) < 0.25) * random.poisson(3, shape)
    return _differences(often, (random.random(shape) < 0.1) * random.poisson(2, shape))


SCENARIOS = (
    Scenario("words per turn", words, 3.0),
    Scenario("facts kept, both lose", facts, 6 / 8 - 4 / 7),
    Scenario("facts kept, one loses", forgotten, 0.25),
    Scenario("turns with a question", questions, 2 / 7 - 0.2),
    Scenario("cost, lognormal", costs, float(np.exp(0.3 + 0.205) - np.exp(0.205))),
    Scenario("turns with a finding", findings, 1.0),
    Scenario("crowded findings", crowded, 2.0 - 0.75, stress=True),
    Scenario("rare findings", rare, 0.75 - 0.2, stress=True),
)


def coverage(scenario: Scenario, pairs: int, experiments: int, seed: int = 0) -> Coverage:
    """Simulate a scenario with `pairs` pairs per experiment."""
    random = np.random.default_rng([seed, pairs, SCENARIOS.index(scenario)])
    found = estimates(list(scenario.draw(random, (experiments, pairs))), resamples=1999, seed=seed)
    intervals = [estimate.interval for estimate in found if estimate.interval]
    held = sum(low <= scenario.truth <= high for low, high in intervals)
    return Coverage(scenario.name, pairs, held / len(intervals), 1 - len(intervals) / experiments, scenario.stress)


def clustered(experiments: int, seed: int = 0) -> tuple[float, float]:
    """Coverage of the mean over all personas, resampling personas and resampling sessions, where personas differ."""
    random = np.random.default_rng([seed, PERSONAS])
    persona = 0.1 + random.normal(0, 0.1, (experiments, PERSONAS, 1))
    differences = persona + random.normal(0, 0.15, (experiments, PERSONAS, SESSIONS))
    by_persona = estimates(list(differences.mean(axis=2)), resamples=1999, seed=seed)
    by_session = estimates(list(differences.reshape(experiments, -1)), resamples=1999, seed=seed)
    held = [
        sum(e.interval is not None and e.interval[0] <= 0.1 <= e.interval[1] for e in found) / experiments
        for found in (by_persona, by_session)
    ]
    return held[0], held[1]


def contrast(scenario: Scenario, pairs: int, experiments: int, method: str, seed: int = 0) -> float:
    """Coverage of an interval of scipy.stats.bootstrap on the data of `coverage`."""
    from scipy.stats import bootstrap

    random = np.random.default_rng([seed, pairs, SCENARIOS.index(scenario)])
    data = scenario.draw(random, (experiments, pairs))
    data = data[data.std(axis=1) > 0]
    found = bootstrap((data,), np.mean, axis=1, n_resamples=1999, batch=100, method=method, rng=seed)
    low, high = found.confidence_interval
    return float(((low <= scenario.truth) & (scenario.truth <= high)).mean())


def main() -> int:
    """Print a table; returns 1 if the coverage of a scenario other than stress is outside 93 to 97 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--contrast", action="store_true", help="also scipy's percentile and BCa intervals")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    records = []
    for scenario in SCENARIOS:
        for pairs in SIZES:
            found = coverage(scenario, pairs, args.experiments)
            methods = ("percentile", "BCa") if args.contrast else ()
            others = {method: contrast(scenario, pairs, args.experiments, method) for method in methods}
            records.append({**{name: getattr(found, name) for name in Coverage.__slots__}, **others})
            shown = "".join(f"  {method} {100 * share:.1f} %" for method, share in others.items())
            without = f"  ({100 * found.without:.0f} % without an interval)" if found.without >= 0.005 else ""
            stress = " (stress)" * scenario.stress
            print(
                f"{scenario.name + stress:<28} {pairs:>3} pairs: {100 * found.covered:.1f} %{shown}{without}",
                flush=True,
            )
    by_persona, by_session = clustered(args.experiments)
    shape = f"{PERSONAS} personas x {SESSIONS} sessions"
    print(f"{shape}: resampling personas {100 * by_persona:.1f} %, resampling sessions {100 * by_session:.1f} %")
    promised = [record for record in records if not record["stress"]]
    outside = [record for record in promised if not LOW <= record["covered"] <= HIGH]
    print(f"{len(promised) - len(outside)} of {len(promised)} within {100 * LOW:.0f} to {100 * HIGH:.0f} %")
    if args.json:
        args.json.write_text(json.dumps({"coverage": records, "clustered": [by_persona, by_session]}, indent=2))
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
