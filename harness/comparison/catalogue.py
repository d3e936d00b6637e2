"""Every number of a session for people: headlines and plug-ins as they were registered, others named after their parts."""

from collections.abc import Iterable
from math import inf

from harness.config.plugins import METRICS
from harness.judges.results import PREFIX
from harness.metrics.agreement import POOR
from harness.metrics.registry import Metric
from harness.text.words import word_set

MARK = "\u2020"
"""After the label of a measure that agrees poorly with people."""


HEADLINES = METRICS.ours()
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
    if name in METRICS.names():
        found: Metric = METRICS.get(name)
        return found
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
