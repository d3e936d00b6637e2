"""The section of the report that compares the simulated patients with people, by a reference profile.

Invariant: what can't be computed is shown as "not known", never as 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StorageError
from harness.fidelity.measures import PatientTurns
from harness.fidelity.reference import shipped
from harness.fidelity.report import fidelity, laid_beside
from harness.personas.schema import Channel

COUNTED = ("words_per_turn", "words_per_turn_sd", "words_of_a_turn")
"""Measures in words; the others are shares."""
TURN = {
    "words_of_a_turn": "Words in a turn",
    "short_turns": "Turns of three words or fewer",
    "questions": "Turns with a question",
    "disfluency": "Turns with hesitation or self-correction",
    "negation": "Turns with a negation",
    "hedging": "Turns with hedging",
    "helper": "Turns with a helper phrase",
}
SESSION = {
    "words_per_turn": "Words per turn, mean of a session",
    "words_per_turn_sd": "Standard deviation of words per turn in a session",
    "trust_slope": "Change of trust per exchange",
    "first_softening": "First exchange with openness of at least 0.5",
    "softened": "Sessions with such an exchange",
    "told_too_early": "Sessions with a layer told in the first three exchanges",
    "contradictions_per_session": "Contradictions with the persona, per session",
}
POPULATION = {
    "between_personas": "Share of the variance of words per turn that is between personas",
    "likeness_of_wording": "Similarity of wording between personas",
    "entropy_of_outcomes": "Entropy of outcomes, in bits",
}
SHARES = frozenset(("softened", "told_too_early", "between_personas", "likeness_of_wording")) | TURN.keys() - {
    "words_of_a_turn"
}
CHANGED = 12
"""Number of metrics that are shown with and without invalid sessions: those that change most."""


@dataclass(frozen=True, slots=True)
class Line:
    """One measure, as a line of a table."""

    text: str
    share: bool
    median: float | None
    p10: float | None = None
    p90: float | None = None
    reference: tuple[float, float, float] | None = None
    """Median, p10 and p90 of the reference."""

    @property
    def outside(self) -> bool:
        """Whether the median is outside the reference's p10 to p90."""
        known = self.reference is not None and self.median is not None
        return known and not self.reference[1] <= self.median <= self.reference[2]  # type: ignore[index,operator]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The content of the section."""

    sessions: int
    turns: int
    about: str
    """The reference, with its source and licence."""
    levels: tuple[tuple[str, tuple[Line, ...]], ...]
    distance: float | None
    """Wasserstein distance from the reference's distribution of words in a turn, in words."""
    variance_ratio: float | None
    discrimination: Mapping[str, Any] | None = None
    """As `harness.fidelity` returns it; None without pairs of a good and a poor therapist."""
    pairs_looked_for: bool = False
    """Whether such pairs were looked for: in a sweep, but not in a single run."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The mean of a metric over all sessions, and over those whose patient is not invalid."""

    name: str
    every: float
    without: float | None


def section(turns: PatientTurns, channel: Channel = Channel.TYPED) -> Fidelity | None:
    """The section of one run; None without a patient turn."""
    return _shown(laid_beside(turns, shipped(channel))) if turns.lengths else None


def sweep_section(runs: Sequence[Path]) -> Fidelity | None:
    """The section of a sweep, with the test whether patients distinguish therapists; None without finished sessions.

    `runs` are the folders of its runs whose patients are simulated.
    """
    try:
        found = fidelity(runs, shipped(Channel.TYPED))
    except StorageError:  # no finished session, or a damaged run, which the page names elsewhere
        return None
    return _shown(found, found["discrimination"], looked_for=True)


def changed(metrics: Mapping[str, Any] | None) -> Sequence[Changed]:
    """Metrics with and without sessions whose patient is invalid; empty if there are no such sessions."""
    without = (metrics or {}).get("metrics_without_invalid")
    if without is None:
        return ()
    every = (metrics or {})["metrics"]
    rows = [
        Changed(name, spread["mean"], (without.get(name) or {}).get("mean"))
        for name, spread in every.items()
        if spread["mean"] is not None and not name.startswith("usage.")
    ]
    rows = [row for row in rows if row.without != row.every]
    return sorted(rows, key=lambda row: -_change(row, every[row.name]["sd"]))[:CHANGED]


def _change(row: Changed, deviation: float | None) -> float:
    """The change, in standard deviations over all sessions; infinite if no session is left."""
    return abs(row.every - row.without) / (deviation or 1.0) if row.without is not None else float("inf")


def _shown(found: Mapping[str, Any], discrimination: Any = None, *, looked_for: bool = False) -> Fidelity:
    patients, reference = found["patients"], found["reference"]
    of_turns = {**patients["measures"], "words_of_a_turn": patients["words_of_a_turn"], **patients["session"]}
    known = {**reference.get("measures", {}), "words_of_a_turn": reference.get("words_of_a_turn")}
    return Fidelity(
        sessions=patients["sessions"],
        turns=patients["turns"],
        about=reference["about"],
        levels=(
            ("Turns", tuple(_line(text, name, of_turns[name], known.get(name)) for name, text in TURN.items())),
            (
                "Sessions",
                tuple(_line(text, name, of_turns[name], known.get(name)) for name, text in SESSION.items()),
            ),
            ("Population", tuple(_line(text, name, patients["population"][name]) for name, text in POPULATION.items())),
        ),
        distance=found["beside_reference"]["wasserstein_words"],
        variance_ratio=found["beside_reference"]["variance_ratio"],
        discrimination=discrimination,
        pairs_looked_for=looked_for,
    )


def _line(text: str, name: str, own: Any, other: Mapping[str, float] | None = None) -> Line:
    reference = (other["median"], other["p10"], other["p90"]) if other else None
    if isinstance(own, Mapping):
        return Line(text, name in SHARES, own["median"], own["p10"], own["p90"], reference)
    return Line(text, name in SHARES, own, reference=reference)
