"""The metrics of a run, aggregated over the lines of sessions.jsonl.

Invariant: memory depends on the numbers of personas, metrics and exchanges, never on the number of sessions.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import sqrt
from typing import Any

from harness.guard.findings import FINDINGS
from harness.metrics.course import QUANTITIES, trajectory
from harness.metrics.diversity import Sketch, diversity, sketch
from harness.metrics.session import METRICS_VERSION

_MOST_EXCHANGES = 500
SUMS = ("prompt_tokens", "cached_tokens", "completion_tokens", "cut_off_turns", "latency_s")


class Spread:
    """Count, mean, standard deviation and range of a stream of numbers (Welford 1962)."""

    __slots__ = ("_squares", "high", "low", "mean", "n")

    def __init__(self) -> None:
        self.n = 0
        self.mean = self._squares = 0.0
        self.low = float("inf")
        self.high = float("-inf")

    def add(self, value: float) -> None:
        self.n += 1
        before = value - self.mean
        self.mean += before / self.n
        self._squares += before * (value - self.mean)
        self.low, self.high = min(self.low, value), max(self.high, value)

    def as_dict(self) -> dict[str, float | int | None]:
        deviation = sqrt(self._squares / (self.n - 1)) if self.n > 1 else None
        return {
            "n": self.n,
            "mean": round(self.mean, 4),
            "sd": None if deviation is None else round(deviation, 4),
            "min": round(self.low, 4),
            "max": round(self.high, 4),
        }


class RunMetrics:
    """Aggregates finished sessions one by one; `result()` returns the content of metrics.json at any time."""

    def __init__(self) -> None:
        self._sessions = self._turns = 0
        self._prompt_tokens_with_cache_report = 0
        """Prompt tokens of turns whose engine reported how many it found in its cache."""
        self._endings: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()
        self._found_turns: Counter[str] = Counter()
        self._found_sessions: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._without_invalid: defaultdict[str, Spread] = defaultdict(Spread)
        self._spreads: defaultdict[str, Spread] = defaultdict(Spread)
        self._personas: defaultdict[str, defaultdict[str, Spread]] = defaultdict(lambda: defaultdict(Spread))
        self._paths: dict[str, list[Spread]] = {name: [] for name in QUANTITIES}
        self._sketches: dict[str, Sketch] = {}
        self._longest = 0
        self._compactions = 0

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a session: a line of sessions.jsonl, with its `metrics`."""
        metrics, persona = line["metrics"], str(line["persona_id"])
        self._sessions += 1
        self._turns += len(line["turns"])
        self._endings[str(line["stop_reason"])] += 1
        used = metrics["usage"]
        self._sums.update({name: used[name] for name in SUMS if used[name] is not None})
        self._prompt_tokens_with_cache_report += sum(
            turn["prompt_tokens"] for turn in line["turns"] if turn.get("cached_tokens") is not None
        )
        self._longest = max(self._longest, used["longest_prompt"])
        self._compactions += metrics["compactions"]
        for kind in FINDINGS:
            if found := metrics["guard"].get(kind):
                self._found_turns[kind] += found["turns"]
                self._found_sessions[kind] += 1
        patient = metrics.get("patient_verdict")
        self._verdicts.update([patient] if patient else [])
        for name, value in numbers(metrics):
            self._spreads[name].add(value)
            if patient != "invalid":
                self._without_invalid[name].add(value)
            self._personas[persona][name].add(value)
        self._add_states([turn["patient_state"] for turn in line["turns"] if turn.get("patient_state")])
        said = (turn["text"] for turn in line["turns"] if turn["speaker"] == "patient")
        self._sketches[persona] = sketch(said, self._sketches.get(persona, ()))

    def result(self, failures: int = 0) -> dict[str, Any]:
        """The content of metrics.json."""
        prompt, generated = self._sums["prompt_tokens"], self._sums["completion_tokens"]
        reported = self._prompt_tokens_with_cache_report
        return {
            "metrics_version": METRICS_VERSION,
            "sessions": self._sessions,
            "failures": failures,
            "turns": self._turns,
            "endings": dict(sorted(self._endings.items())),
            "usage": {
                **{name: round(self._sums[name], 3) for name in SUMS},
                "cached_share": round(self._sums["cached_tokens"] / reported, 4) if reported else None,
                "prefill_per_generated": (
                    round((prompt - self._sums["cached_tokens"]) / generated, 4)
                    if generated and reported == prompt
                    else None
                ),
                "longest_prompt": self._longest,
                "compactions": self._compactions,
            },
            "guard": {
                kind: {"turns": self._found_turns[kind], "sessions": self._found_sessions[kind]} for kind in FINDINGS
            },
            "patient_verdicts": dict(sorted(self._verdicts.items())),
            "metrics_without_invalid": (
                {name: spread.as_dict() for name, spread in sorted(self._without_invalid.items())}
                if self._verdicts["invalid"]
                else None
            ),
            "metrics": {name: spread.as_dict() for name, spread in sorted(self._spreads.items())},
            "personas": {
                persona: {name: round(spread.mean, 4) for name, spread in sorted(spreads.items())}
                for persona, spreads in sorted(self._personas.items())
            },
            "trajectories": {
                name: [round(spread.mean, 4) for spread in path] for name, path in self._paths.items() if path
            },
            "diversity": diversity(self._sketches),
        }

    def _add_states(self, states: list[Mapping[str, Any]]) -> None:
        for name, path in self._paths.items():
            for exchange, value in enumerate(trajectory(states, name)[:_MOST_EXCHANGES]):
                if exchange == len(path):
                    path.append(Spread())
                path[exchange].add(value)


def run_metrics(lines: Iterable[Mapping[str, Any]], failures: int = 0) -> dict[str, Any]:
    """The content of metrics.json for these lines of sessions.jsonl."""
    total = RunMetrics()
    for line in lines:
        total.add(line)
    return total.result(failures)


def numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Names, with dots, and values of the numbers in a session's metrics; texts, lists and versions are left out."""
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and key != "metrics_version":
            yield f"{prefix}{key}", float(value)
