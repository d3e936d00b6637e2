"""The course of a simulated patient's inner state: trajectories, disclosure and resistance.

Reads `Turn.patient_state` as the patient wrote it; None for sessions without one (replay).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.metrics.registry import headline

QUANTITIES = ("trust", "hope", "distress", "overwhelm", "openness")
OPEN_AT = 0.5
"""Openness from which a patient counts as open."""

MOST_LAYERS = 100
"""Bounds the layers that are read from a recorded state; a persona has a handful."""

State = Mapping[str, Any]


def course(states: Sequence[State]) -> dict[str, Any] | None:
    """Measures over the states of the patient's turns, in order; exchanges count from 1."""
    if not states:
        return None
    return {
        "state": {name: _movement(values) for name in QUANTITIES if (values := trajectory(states, name))},
        "disclosure": {
            "told": _last_int(states, "told"),
            "unlocked": _last_int(states, "unlocked"),
            "told_at": _first_reached(states, "told"),
            "unlocked_at": _first_reached(states, "unlocked"),
        },
        "resistance": {
            "opened_at": next((i for i, v in enumerate(trajectory(states, "openness"), 1) if v >= OPEN_AT), None),
            "behaviours": _behaviours(states[0], states[-1]),
        },
    }


def trajectory(states: Sequence[State], name: str) -> list[float]:
    """The values of one quantity, one for each patient turn."""
    return [float(value) for state in states if isinstance(value := state.get(name), int | float)]


def with_numbers(states: Iterable[State | None], *names: str) -> list[State]:
    """The states that have all these numbers. Runs of other programs may record only some."""
    return [state for state in states if state and all(isinstance(state.get(name), int | float) for name in names)]


@headline(
    "course.state.trust.change",
    label="change of the simulated patient's trust",
    group="Simulated patient",
    least=-1.0,
)
@headline(
    "course.state.hope.change",
    label="change of the simulated patient's hope",
    group="Simulated patient",
    least=-1.0,
)
def _movement(values: Sequence[float]) -> dict[str, float]:
    return {
        "start": round(values[0], 4),
        "end": round(values[-1], 4),
        "change": round(values[-1] - values[0], 4),
        "lowest": round(min(values), 4),
        "highest": round(max(values), 4),
    }


def _first_reached(states: Sequence[State], name: str) -> list[int]:
    """The exchange at which each layer was reached, in order. Layers reached in earlier sessions are left out."""
    reached: list[int] = []
    brought = states[0].get(name)
    for exchange, state in enumerate(states, 1):
        value = state.get(name)
        while isinstance(value, int) and isinstance(brought, int) and len(reached) < min(value - brought, MOST_LAYERS):
            reached.append(exchange)
    return reached


def _last_int(states: Sequence[State], name: str) -> int | None:
    value = states[-1].get(name)
    return value if isinstance(value, int) else None


def _behaviours(first: State, last: State) -> dict[str, int]:
    """How often each behaviour (asking to slow down, ...) was shown in this session."""
    brought = {name: times for name, (turn, times) in _shown(first).items() if turn < 0}
    counts = {name: times - brought.get(name, 0) for name, (_, times) in _shown(last).items()}
    return {name: times for name, times in sorted(counts.items()) if times}


def _shown(state: State) -> Mapping[str, tuple[int, int]]:
    """For each behaviour, its last turn (negative: in an earlier session) and its count."""
    shown = state.get("shown")
    if not isinstance(shown, Mapping):
        return {}
    pairs = {name: pair for name, pair in shown.items() if isinstance(pair, list | tuple) and len(pair) == 2}
    return {name: (a, b) for name, (a, b) in pairs.items() if isinstance(a, int) and isinstance(b, int)}
