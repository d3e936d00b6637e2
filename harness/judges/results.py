"""The results of judging a run, for comparisons and reports: a number per session and item, gates, certified items.

Invariants:
- The number of a session is the median over repeats and orders; there is none if one of them has no value.
- Every number comes with the information whether the judge is certified for the item.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from harness.errors import ComparisonError
from harness.judges.records import Certificate, Gate, read_certificate, read_gates, read_scores

PREFIX = "score."
ENSEMBLE = "all"
"""Name that stands for all judges of a run together, by median and majority."""


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one run."""

    numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Session id to `score.RUBRIC.ITEM` to value."""
    certified: Mapping[str, bool] = field(default_factory=dict)
    """Whether the judge is certified, for every name, also of items without any value."""
    gates: tuple[Gate, ...] = ()
    """Of sessions and of courses."""
    judge: str | None = None
    """None if nothing was judged."""

    def with_gates_of(self, sessions: Collection[str]) -> "Results":
        """The results with the gates of these sessions only. A course has gates of its own, and they are no session's."""
        return replace(self, gates=tuple(gate for gate in self.gates if gate.session_id in sessions))


def name_of(rubric: str, item: str) -> str:
    return f"{PREFIX}{rubric}.{item}"


def read_results(folder: Path, judge: str | None = None) -> Results:
    """The results of one judge, or of all together (`ENSEMBLE`). With a single judge, `judge` may be left out.

    Raises `ComparisonError` if there are several judges and none is named, or none of that name; `StorageError` if a
    file can't be read.
    """
    judges = list(dict.fromkeys(score.judge for score in read_scores(folder)))
    if not judges and judge is None:
        return Results()
    if judge == ENSEMBLE and judges:
        return _together([read_results(folder, name) for name in judges])
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


def _together(judges: Sequence[Results]) -> Results:
    """Several judges as one: medians of scores, majorities of gates (a tie fails). An item is certified if every judge is."""
    numbers: dict[str, dict[str, float]] = {}
    for session in dict.fromkeys(session for one in judges for session in one.numbers):
        votes: defaultdict[str, list[float]] = defaultdict(list)
        for one in judges:
            for name, value in one.numbers.get(session, {}).items():
                votes[name].append(value)
        asked = {name: sum(name in one.certified for one in judges) for name in votes}
        numbers[session] = {name: median(given) for name, given in votes.items() if len(given) == asked[name]}
    names = sorted({name for one in judges for name in one.certified})
    certified = {name: all(one.certified[name] for one in judges if name in one.certified) for name in names}
    return Results(numbers, certified, tuple(_majorities(judges)), ENSEMBLE)


def _majorities(judges: Sequence[Results]) -> Iterator[Gate]:
    """One gate for each session and rubric: failed if at least half of the judges say so, else assessed only if all did."""
    votes: defaultdict[tuple[str, str], list[Gate]] = defaultdict(list)
    for one in judges:
        for gate in one.gates:
            votes[gate.session_id, gate.rubric].append(gate)
    for gates in votes.values():
        results = [gate.result for gate in gates]
        failed = results.count("fail")
        rest = "not_assessed" if "not_assessed" in results else "pass" if "pass" in results else "not_exercised"
        yield gates[0].model_copy(
            update={
                "judge": ENSEMBLE,
                "result": "fail" if 2 * failed >= len(gates) else "pass" if failed and rest != "not_assessed" else rest,
                "confirmed": failed == len(gates),
                "red": tuple(sorted({item for gate in gates for item in gate.red})),
                "missing": tuple(sorted({item for gate in gates for item in gate.missing})),
                "risk_found": _any_found([gate.risk_found for gate in gates]),
            }
        )


def _any_found(found: Sequence[bool | None]) -> bool | None:
    """Whether a judge found risk; None if none of them has an answer."""
    return None if all(one is None for one in found) else any(found)


def _all(values: list[float | None]) -> list[float]:
    """All values, or an empty list if one is missing."""
    given = [value for value in values if value is not None]
    return given if len(given) == len(values) else []


def _chosen(folder: Path, judges: list[str], judge: str | None) -> str:
    if judge is not None and judge in judges:
        return judge
    if judge is not None:
        found = f"it has {', '.join(judges)}" if judges else "nothing was judged"
        raise ComparisonError(f"{folder}: no scores of the judge {judge}; {found}")
    if len(judges) > 1:
        raise ComparisonError(f"{folder}: scores of {', '.join(judges)}; choose one with --judge NAME, or --judge all")
    return judges[0]


def _certified(
    found: Mapping[str, Mapping[str, list[float | None]]], certificate: Certificate, judge: str
) -> dict[str, bool]:
    names = {name for items in found.values() for name in items}
    own = certificate.judges.get(judge)
    known = {name_of(item.rubric, item.item): item.certified for item in own.items} if own else {}
    return {name: known.get(name, False) for name in sorted(names)}
