"""How each metric is shown. Headline and plug-in metrics have registered labels; others get theirs from their names."""

from collections.abc import Iterable
from math import inf

from harness.config.plugins import METRICS
from harness.judges.results import PREFIX
from harness.metrics.agreement import POOR
from harness.metrics.registry import Metric
from harness.text.words import word_set

MARK = "\u2020"
"""Follows the label of a metric that agrees poorly with human coders."""


HEADLINES = METRICS.ours()
"""Shown by default. Fixed in advance, because the correction is valid only if metrics are not picked by result."""
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
    reflection_rate echo cached_share fullest_window share very_short_turns reflection_share complex_share
    open_question_share input_share permission_share affirmation_rate validation_rate advice_rate information_rate
    confrontation_rate self_disclosure_rate backchannel_rate"""
)
_ZERO_WHERE_ABSENT: dict[str, str] = {"course.resistance.behaviours.": "course", "retention.by_kind.": "retention"}
"""Prefixes of counts that a session omits if they are 0, each with the section that proves they were computed."""


_LABELS = {
    "course.disclosure.told": "layers told",
    "course.state.distress.change": "change of the simulated patient's distress",
}
"""Labels of metrics outside the headlines whose names don't read well."""


def metric(name: str) -> Metric:
    """How to show the metric with this name. A metric that is not registered gets its label from its name."""
    if name in METRICS.names():
        found: Metric = METRICS.get(name)
        return found
    if name.startswith(PREFIX):
        return _score(name)
    parts = name.split(".")
    shown = name if len(parts) == 1 else ".".join(parts[1:] if parts[0] in ("course", "usage") else parts)
    label = (_LABELS.get(name) or shown.replace(".", " ").replace("_", " ")) + MARK * (name in POOR)
    share = parts[-1] in _SHARES
    can_be_negative = parts[-1] == "reading_ease" or parts[:2] == ["course", "state"]
    return Metric(
        name,
        label,
        _GROUPS.get(parts[0], "Session"),
        share=share,
        least=-inf if can_be_negative else 0.0,
    )


def known() -> list[Metric]:
    """The headline metrics and those of plug-ins."""
    return [metric(name) for name in (*HEADLINES, *METRICS.added())]


def _score(name: str) -> Metric:
    """How to show a judge's score. It has no wanted direction, because that depends on the rubric."""
    rubric, _, item = name.removeprefix(PREFIX).partition(".")
    return Metric(
        name,
        f"{rubric}: {item.replace('-', ' ')}",
        "Scores by a judge",
        least=-inf,
    )


def ordered(names: Iterable[str]) -> list[Metric]:
    """The metrics with these names, each once: headlines first, as listed, then the others by group and name."""
    positions = {name: number for number, name in enumerate(HEADLINES)}

    def rank(found: Metric) -> tuple[int, str, str]:
        position = positions.get(found.name)
        return (len(positions), found.group, found.name) if position is None else (position, "", "")

    return sorted(map(metric, set(names)), key=rank)


def section_of_count(name: str) -> str | None:
    """The section of a count that sessions omit if it is 0; None for other metrics."""
    return next((section for prefix, section in _ZERO_WHERE_ABSENT.items() if name.startswith(prefix)), None)
