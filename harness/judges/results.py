"""What judges said of a run, for those who compare and show: one number a session and item, gates, and what is certified.

Invariants:
- The number of a session is the median over repeats and orders, and there is none where any of them has no value.
- Whether the judge is certified for an item stands beside every number.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from harness.errors import ComparisonError
from harness.judges.records import Certificate, Gate, read_certificate, read_gates, read_scores

PREFIX = "score."


@dataclass(frozen=True, slots=True)
class Results:
    """What is known of one run."""

    numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Session id to `score.RUBRIC.ITEM` to value."""
    certified: Mapping[str, bool] = field(default_factory=dict)
    """Every name, also of an item without any value."""
    gates: tuple[Gate, ...] = ()
    judge: str | None = None
    """None where nothing was judged."""


def name_of(rubric: str, item: str) -> str:
    return f"{PREFIX}{rubric}.{item}"


def read_results(folder: Path, judge: str | None = None) -> Results:
    """The results of one judge; `judge` may be left out where there is one.

    Raises `ComparisonError` where there are several or none of that name, `StorageError` where a file is damaged.
    """
    judges = list(dict.fromkeys(score.judge for score in read_scores(folder)))
    if not judges and judge is None:
        return Results()
    chosen = _chosen(folder, judges, judge)
    values: defaultdict[str, defaultdict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for score in read_scores(folder):
        if score.judge == chosen:
            values[score.session_id][name_of(score.rubric, score.item)].append(score.value)
    certificate = read_certificate(folder)
    numbers = {
        session: {name: median(given) for name, found in items.items() if (given := _all(found))}
        for session, items in values.items()
    }
    gates = tuple(gate for gate in read_gates(folder) if gate.judge == chosen)
    return Results(numbers, _certified(values, certificate, chosen), gates, chosen)


def _all(values: list[float | None]) -> list[float]:
    """The values, or none where any is missing."""
    given = [value for value in values if value is not None]
    return given if len(given) == len(values) else []


def _chosen(folder: Path, judges: list[str], judge: str | None) -> str:
    if judge is not None and judge in judges:
        return judge
    if judge is not None:
        found = f"it has {', '.join(judges)}" if judges else "nothing was judged"
        raise ComparisonError(f"{folder}: no scores of the judge {judge}; {found}")
    if len(judges) > 1:
        raise ComparisonError(f"{folder}: scores of {', '.join(judges)}; choose one with --judge NAME")
    return judges[0]


def _certified(
    found: Mapping[str, Mapping[str, list[float | None]]], certificate: Certificate, judge: str
) -> dict[str, bool]:
    names = {name for items in found.values() for name in items}
    own = certificate.judges.get(judge)
    known = {name_of(item.rubric, item.item): item.certified for item in own.items} if own else {}
    return {name: known.get(name, False) for name in sorted(names)}
