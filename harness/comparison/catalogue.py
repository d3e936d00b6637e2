"""What metrics are called, how they are shown, and what a difference in them is called; docs/metrics.md defines them.

Invariant: only what is a fault or a cost for an engineer has a wanted direction. How a therapist should talk, and what
a simulated patient feels, have none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from harness.config.plugins import METRICS
from harness.judges.results import PREFIX
from harness.metrics.agreement import POOR
from harness.text.words import word_set

MARK = "\u2020"
"""After the label of a measure that agrees poorly with people."""


class Wanted(StrEnum):
    """Which way a metric should move, where that can be said without a clinical claim."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a session, for people."""

    name: str
    """As in the metrics of a session, with dots."""
    label: str
    group: str
    share: bool = False
    """In [0, 1]; shown in percent, its differences in percentage points."""
    least: float = 0.0
    """The least value possible, for what is no share."""
    wanted: Wanted | None = None
    says: str = ""
    """A difference as a sentence of {a}, {by} and {b}, where {by} reads as `3 turns more`."""
    unit: str = ""
    more: str = "more"
    less: str = "less"

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value possible."""
        return (0.0, 1.0) if self.share else (self.least, inf)


_HEADLINES = (
    Metric(
        "retention.share",
        "facts still in the therapist's view",
        "Memory",
        share=True,
        wanted=Wanted.HIGHER,
        says="{a} keeps {by} of the facts than {b}",
    ),
    Metric(
        "therapist.repeating_turns",
        "therapist turns that repeat",
        "Repetition",
        share=True,
        wanted=Wanted.LOWER,
        says="with {a} the therapist repeats itself in {by} of its turns than with {b}",
    ),
    Metric(
        "therapist.repetition",
        "therapist's word runs said before",
        "Repetition",
        share=True,
        wanted=Wanted.LOWER,
        says="with {a} the therapist says {by} of its word runs again than with {b}",
    ),
    Metric(
        "therapist.worn_out_share",
        "therapist turns with a worn-out phrase",
        "Repetition",
        share=True,
        wanted=Wanted.LOWER,
        says="with {a} the therapist uses a worn-out phrase in {by} of its turns than with {b}",
    ),
    Metric(
        "patient.repeating_turns",
        "patient turns that repeat",
        "Repetition",
        share=True,
        wanted=Wanted.LOWER,
        says="with {a} the patient repeats itself in {by} of its turns than with {b}",
    ),
    Metric(
        "guard.role_break.turns",
        "turns out of role",
        "Roles",
        wanted=Wanted.LOWER,
        says="{a} has {by} out of role than {b}",
        unit=" turns",
        less="fewer",
    ),
    Metric(
        "therapist.echo",
        "therapist's words taken from the patient",
        "Roles",
        share=True,
        says="with {a} the therapist takes {by} of its words from the patient's last turn than with {b}",
    ),
    Metric(
        "therapist.question_rate",
        "therapist turns with a question",
        "Style",
        share=True,
        says="with {a} the therapist asks in {by} of its turns than with {b}",
    ),
    Metric(
        "therapist.reflection_rate",
        "therapist turns with a reflection",
        "Style",
        share=True,
        says="with {a} the therapist reflects in {by} of its turns than with {b}",
    ),
    Metric(
        "therapist.reflection_share",
        "therapist's statements that reflect",
        "Style",
        share=True,
        says="with {a} the therapist reflects in {by} of its statements than with {b}",
    ),
    Metric(
        "therapist.input_share",
        "therapist's statements that advise, inform or confront",
        "Style",
        share=True,
        says="with {a} the therapist advises, informs or confronts in {by} of its statements than with {b}",
    ),
    Metric(
        "therapist.words_per_turn",
        "therapist's words per turn",
        "Style",
        says="with {a} the therapist says {by} a turn than with {b}",
        unit=" words",
        less="fewer",
    ),
    Metric(
        "course.state.trust.change",
        "change of the simulated patient's trust",
        "Simulated patient",
        least=-1.0,
        says="with {a} the simulated patient's trust moves {by} than with {b}",
        more="further up",
        less="further down",
    ),
    Metric(
        "course.state.hope.change",
        "change of the simulated patient's hope",
        "Simulated patient",
        least=-1.0,
        says="with {a} the simulated patient's hope moves {by} than with {b}",
        more="further up",
        less="further down",
    ),
    Metric(
        "exchanges",
        "exchanges",
        "Session",
        says="{a} has {by} a session than {b}",
        unit=" exchanges",
        less="fewer",
    ),
    Metric(
        "usage.cached_share",
        "prompt tokens found in the cache",
        "Cost",
        share=True,
        wanted=Wanted.HIGHER,
        says="{a} finds {by} of its prompt tokens in the cache than {b}",
    ),
    Metric(
        "usage.prefill_per_generated",
        "prompt tokens computed for one generated",
        "Cost",
        wanted=Wanted.LOWER,
        says="{a} computes {by} for one generated than {b}",
        unit=" prompt tokens",
        less="fewer",
    ),
)
HEADLINES = tuple(metric.name for metric in _HEADLINES)
"""Shown unless more is asked for; chosen beforehand, so that the correction for many comparisons means something."""
_GROUPS = {
    "patient": "Patient's speech",
    "therapist": "Therapist's speech",
    "guard": "Findings of the guard",
    "course": "Simulated patient",
    "usage": "Cost",
    "compactions": "Cost",
    "retention": "Memory",
}
_SHARES = word_set(
    """talk_share distinct_1 distinct_2 repeating_turns repetition similarity worn_out_share opening_share question_rate
    reflection_rate echo cached_share fullest_window share very_short_turns reflection_share complex_share open_question_share
    input_share permission_share affirmation_rate validation_rate advice_rate information_rate confrontation_rate
    self_disclosure_rate backchannel_rate"""
)
_ZERO_WHERE_ABSENT: dict[str, str] = {"course.resistance.behaviours.": "course", "retention.by_kind.": "retention"}
"""Counts that a session names only where there are some, and the section that must have been computed."""


_LABELS = {
    "course.disclosure.told": "layers told",
    "course.state.distress.change": "change of the simulated patient's distress",
}
"""Of metrics that are shown without being headlines."""


def metric(name: str) -> Metric:
    """How to show the metric of this name; one that is not in the list is named after its parts."""
    for headline in _HEADLINES:
        if headline.name == name:
            return headline
    own = METRICS.added().get(name)
    if own is not None:
        wanted = None if own.better is None else Wanted(own.better)
        return Metric(
            name,
            own.label,
            "Plug-ins",
            share=own.share,
            wanted=wanted,
            unit=own.unit,
            least=-inf,
            says=f"{own.label}: {{by}} with {{a}} than with {{b}}",
            more="higher",
            less="lower",
        )
    if name.startswith(PREFIX):
        return _score(name)
    parts = name.split(".")
    spoken = name if len(parts) == 1 else ".".join(parts[1:] if parts[0] in ("course", "usage") else parts)
    label = (_LABELS.get(name) or spoken.replace(".", " ").replace("_", " ")) + MARK * (name in POOR)
    share = parts[-1] in _SHARES
    free = parts[-1] == "reading_ease" or parts[:2] == ["course", "state"]
    return Metric(
        name,
        label,
        _GROUPS.get(parts[0], "Session"),
        share=share,
        least=-inf if free else 0.0,
        says=f"{label}: {{by}} with {{a}} than with {{b}}",
        more="higher",
        less="lower",
    )


def known() -> list[Metric]:
    """The headline metrics and those of plug-ins; every other number of a session is named by its parts."""
    return [metric(name) for name in (*HEADLINES, *METRICS.added())]


def _score(name: str) -> Metric:
    """What a judge says; which way it should move depends on the rubric, and is left to its reader."""
    rubric, _, item = name.removeprefix(PREFIX).partition(".")
    return Metric(
        name,
        f"{rubric}: {item.replace('-', ' ')}",
        "Scores by a judge",
        least=-inf,
        says=f"{rubric}: {item.replace('-', ' ')}: {{by}} with {{a}} than with {{b}}",
        more="higher",
        less="lower",
    )


def ordered(names: Iterable[str]) -> list[Metric]:
    """Headline metrics first, as listed, then the others by group and name."""
    place = {name: number for number, name in enumerate(HEADLINES)}

    def rank(found: Metric) -> tuple[int, str, str]:
        number = place.get(found.name)
        return (len(place), found.group, found.name) if number is None else (number, "", "")

    return sorted(map(metric, set(names)), key=rank)


def section_of_count(name: str) -> str | None:
    """For a count that is left out where it is 0: the section of the metrics it belongs to."""
    return next((section for prefix, section in _ZERO_WHERE_ABSENT.items() if name.startswith(prefix)), None)
