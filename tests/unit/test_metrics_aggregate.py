"""The run's aggregate: right, deterministic, and bounded however many sessions there are."""

import json
import random
import statistics
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from harness.metrics import RunMetrics, run_metrics, session_metrics
from harness.metrics.aggregate import Spread
from harness.metrics.course import course
from harness.metrics.diversity import likeness, sketch
from harness.metrics.usage import usage
from harness.types import Event, FinishReason, Speaker, StopReason, Turn
from tests.sessions import HEALTHY, LOOPING, turns_of


def line(persona: str, turns: list[Turn], events: tuple[Event, ...] = (), **fields: Any) -> dict[str, Any]:
    return {
        "persona_id": persona,
        "stop_reason": StopReason.MAX_EXCHANGES,
        "turns": [{"speaker": turn.speaker, "text": turn.text, "patient_state": turn.patient_state} for turn in turns],
        "metrics": session_metrics(turns, events, StopReason.MAX_EXCHANGES),
        **fields,
    }


def test_a_running_spread_equals_the_statistics_of_all_values() -> None:
    values = [random.Random(1).gauss(5, 2) for _ in range(500)]
    spread = Spread()
    for value in values:
        spread.add(value)
    shown = spread.as_dict()
    assert shown["mean"] == pytest.approx(statistics.mean(values), abs=1e-4)
    assert shown["sd"] == pytest.approx(statistics.stdev(values), abs=1e-4)
    assert (shown["min"], shown["max"]) == (round(min(values), 4), round(max(values), 4))


def test_a_run_sums_counts_and_averages_its_sessions() -> None:
    loops = (Event("loop", 8, Speaker.PATIENT), Event("loop", 10, Speaker.PATIENT))
    lines = [line("a", turns_of(HEALTHY[0])), line("b", turns_of(LOOPING), loops)]
    result = run_metrics(lines, failures=3)
    assert result["sessions"] == 2
    assert result["failures"] == 3
    assert result["endings"] == {"max_exchanges": 2}
    assert result["guard"]["loop"] == {"turns": 2, "sessions": 1}
    mine = [entry["metrics"]["patient"]["question_rate"] for entry in lines]
    assert result["metrics"]["patient.question_rate"]["mean"] == round(sum(mine) / 2, 4)
    assert result["personas"]["b"]["patient.question_rate"] == mine[1]
    assert json.dumps(result) == json.dumps(run_metrics(lines, failures=3))


def test_memory_does_not_grow_with_the_number_of_sessions() -> None:
    entry = line("a", turns_of(HEALTHY[0]))
    total = RunMetrics()
    for _ in range(20):
        total.add(entry)
    tracemalloc.start()
    for _ in range(300):
        total.add(entry)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000


def state(trust: float, told: int, unlocked: int, openness: float) -> Mapping[str, Any]:
    return {
        "trust": trust,
        "openness": openness,
        "told": told,
        "unlocked": unlocked,
        "shown": {"slow_down": [3, 2]},
    }


def test_the_course_says_when_layers_were_told_and_resistance_gave_way() -> None:
    found = course([state(0.2, 0, 0, 0.1), state(0.3, 0, 1, 0.4), state(0.5, 1, 2, 0.6), state(0.4, 2, 2, 0.5)])
    assert found is not None
    assert found["disclosure"] == {"told": 2, "unlocked": 2, "told_at": [3, 4], "unlocked_at": [2, 3]}
    assert found["state"]["trust"] == {"start": 0.2, "end": 0.4, "change": 0.2, "lowest": 0.2, "highest": 0.5}
    assert found["resistance"] == {"opened_at": 3, "behaviours": {"slow_down": 2}}


def test_usage_counts_what_the_engine_had_to_compute() -> None:
    turns = [
        Turn(0, Speaker.PATIENT, "a", 100, 0, 20, 50, 200),
        Turn(1, Speaker.THERAPIST, "b", 120, 80, 30, 50, 200, FinishReason.LENGTH, 0.5, 2),
    ]
    used = usage(turns)
    assert used["prefill_per_generated"] == round((220 - 80) / 50, 4)
    assert used["cached_share"] == round(80 / 220, 4)
    assert used["fullest_window"] == 0.85
    assert used["cut_off_turns"] == 1
    assert used["evicted_turns"] == 2
    assert usage([])["prefill_per_generated"] is None


def test_likeness_estimates_the_jaccard_index() -> None:
    draw = random.Random(0)
    vocabulary = [f"w{i}" for i in range(4000)]
    common = [f"{a} {b}." for a, b in zip(draw.sample(vocabulary, 1500), draw.sample(vocabulary, 1500), strict=True)]
    left, right = sketch(common[:1000]), sketch(common[500:])
    pairs = [{tuple(text.rstrip(".").split()) for text in part} for part in (common[:1000], common[500:])]
    true = len(pairs[0] & pairs[1]) / len(pairs[0] | pairs[1])
    assert likeness(left, right) == pytest.approx(true, abs=0.1)
    assert likeness(left, left) == 1.0
