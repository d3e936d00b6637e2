"""Numbers, names and events as text for people."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from harness.metrics.registry import Metric
from harness.types import Event

SPEECH = (
    ("words_per_turn", "Words per turn", "number"),
    ("talk_share", "Share of all words", "share"),
    ("question_rate", "Turns with a question", "share"),
    ("reflection_rate", "Turns with a reflection", "share"),
    ("reflection_share", "Statements that reflect", "share"),
    ("input_share", "Statements that advise, inform or confront", "share"),
    ("repeating_turns", "Turns that repeat", "share"),
    ("repetition", "Word 4-grams said before", "share"),
    ("worn_out_share", "Turns with an overused phrase", "share"),
    ("opening_share", "Turns with the most frequent first word", "share"),
    ("echo", "Words from the other's last turn", "share"),
    ("distinct_2", "Distinct word pairs", "share"),
    ("reading_ease", "Reading ease (Flesch)", "number"),
)
"""Rows of the table of both speakers: name in the metrics, label, and how the value is shown."""
LABELS = {
    "loop": "loop",
    "repeat": "repeat",
    "stutter": "stutter",
    "stuck": "stuck",
    "echo": "echo",
    "role_break": "role break",
    "empty": "empty",
    "cut_off": "cut off",
    "language_switch": "language",
    "crisis": "crisis content",
    "max_exchanges": "exchange limit",
    "patient_ended": "patient ended",
    "therapist_ended": "therapist ended",
    "risk_policy": "risk policy",
    "transcript_exhausted": "end of transcript",
    "patient-invalid": "invalid patient",
    "patient-flawed": "flawed patient",
}


def number(value: float | None, digits: int = 0) -> str:
    """The number with separators: 1234567 as 1,234,567; `–` for None."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """A share as a percentage, with one decimal below 10%; `–` for None."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}%" if 0 < abs(value) < 0.1 else f"{100 * value:.0f}%"


def signed(value: float | None, digits: int = 2) -> str:
    """The number with its sign; `–` for None."""
    return "–" if value is None else f"{value:+.{digits}f}"


def counted(count: int, one: str, several: str = "") -> str:
    """`1 session`, `2 sessions`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def measured(known: Metric, value: float | None) -> str:
    """The value of a metric; shares in percent."""
    return percent(value) if known.share else number(value, 2 if value is not None and abs(value) < 10 else 1)


def seconds(value: float) -> str:
    """A duration: `42.0 s`, or hours, minutes and seconds from one minute on."""
    if value < 60:
        return f"{value:.1f} s"
    return str(timedelta(seconds=round(value)))


def label(name: str) -> str:
    """A name from the data in plain words."""
    if name.startswith("gate-"):
        return f"failed {name.removeprefix('gate-')}"
    return LABELS.get(name, name.replace("_", " "))


def place(number: int | None) -> str:
    """Which session of a course it is; empty outside a course."""
    return "" if number is None else f" · session {number} of its course"


def quoted(name: str) -> str:
    """The name, escaped for a link."""
    return quote(name, safe="")


def link(session_id: str) -> str:
    """The path of a session's transcript, relative to the report."""
    return f"transcripts/{quote(session_id, safe='')}.md"


def page_link(session_id: str) -> str:
    """The path of a session's own page, relative to the report."""
    return f"transcripts/{quoted(session_id)}.html"


def metric(spread: Mapping[str, Any] | None, kind: str) -> str:
    """Mean and standard deviation over sessions; `–` without any."""
    if not spread or spread["mean"] is None:
        return "–"
    mean, deviation = spread["mean"], spread["sd"]
    if kind == "share":
        return percent(mean) if deviation is None else f"{percent(mean)} ± {100 * deviation:.0f}"
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"


def happened(event: Event) -> str:
    """One short line about an event."""
    data = event.data
    match event.kind:
        case "loop":
            return f"loop: “{data.get('what', '')}” in {_count(data.get('turns'))} of the last turns"
        case "repeat" | "echo" if data.get("of_turn") is not None:
            return f"{label(event.kind)} of turn {data['of_turn']} ({percent(_share(data.get('share')))})"
        case "role_break":
            return f"role break ({label(str(data.get('form', '')))}): “{data.get('what', '')}”"
        case "crisis":
            denied = ", denied" if data.get("denied") else ""
            return f"crisis content ({label(str(data.get('level', '')))}{denied}): “{data.get('what', '')}”"
        case "compaction":
            return _compaction(event)
        case "nudge":
            return f"direction for the next turn: {data.get('text', '')}"
        case "self_check":
            return f"a check ({data.get('by')}) rejected a draft: {data.get('reason', '')}"
        case "appraisal":
            return f"the therapist's turn was appraised by {data.get('by')}{_because(data.get('reason'))}"
        case "handover":
            return f"handover to the next session (by {data.get('by')}): {data.get('note', '')}"
        case "retry":
            return _retry(data)
    rest = "; ".join(f"{label(key)} {value}" for key, value in data.items() if isinstance(value, int | float | str))
    return f"{label(event.kind)}: {rest[:300]}" if rest else label(event.kind)


def _retry(data: Mapping[str, Any]) -> str:
    if data.get("by") == "guard":
        return f"sampled again because of {data.get('because')}"
    if data.get("reason") is None:
        return f"sampled again by {data.get('by', 'the engine')}"
    return f"the {data.get('of', 'request')} was requested again: {data['reason']}"


def _compaction(event: Event) -> str:
    """`compaction (hybrid): 4 turns left the therapist's view, 8,900 to 5,400 tokens`."""
    data = event.data
    left = _count(data.get("left"))
    parts = [f"{left} {'turn' if left == 1 else 'turns'} left the {event.speaker}'s view"]
    before, after = data.get("tokens_before"), data.get("tokens_after")
    if isinstance(before, int) and isinstance(after, int):
        parts.append(f"{before:,} to {after:,} tokens")
    if data.get("note"):
        parts.append(f"a new note of {data.get('note_tokens', '?')} tokens replaces them")
    if data.get("fallback"):
        parts.append(f"fallback: {data['fallback']}")
    return f"compaction ({data.get('policy', '?')}): {', '.join(parts)}"


def _because(reason: object) -> str:
    return f": {reason}" if reason else ""


def _count(value: object) -> int:
    return len(value) if isinstance(value, list | tuple) else 0


def _share(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
