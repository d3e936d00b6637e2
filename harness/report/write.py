"""Writes report.html: one file that needs no network, no script and no other file to be read."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from harness.config.credentials import without
from harness.errors import StorageError
from harness.guard.findings import FINDINGS
from harness.report import charts
from harness.report.data import MOST_FAILURES, MOST_ROWS, Report, load
from harness.types import Event
from harness.visible import visible

_FOLDER = Path(__file__).parent
SPEECH = (
    ("words_per_turn", "Words a turn", "number"),
    ("talk_share", "Share of all words", "share"),
    ("question_rate", "Turns with a question", "share"),
    ("reflection_rate", "Turns with a reflection", "share"),
    ("repeating_turns", "Turns that repeat", "share"),
    ("repetition", "Word runs said before", "share"),
    ("worn_out_share", "Turns with a worn-out phrase", "share"),
    ("opening_share", "Turns with the commonest opening", "share"),
    ("echo", "Taken from the other's last turn", "share"),
    ("distinct_2", "Distinct word pairs", "share"),
    ("reading_ease", "Reading ease (Flesch)", "number"),
)
"""Rows of the comparison of the speakers: name in the metrics, label, how it is shown."""
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
    "transcript_exhausted": "transcript at its end",
}


def write_report(run_dir: Path) -> Path:
    """Write report.html of a run folder and return its path. Raises `StorageError`."""
    html = render(load(run_dir))
    path = run_dir / "report.html"
    draft = run_dir / ".report.html.part"
    try:
        draft.write_text(html, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: can't be written: {error.strerror or error}") from error
    return path


def render(report: Report) -> str:
    """The page as HTML. Every text of a model, a persona or a config is escaped."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number,
        percent=percent,
        label=label,
        happened=happened,
        link=link,
        place=place,
        seconds=seconds,
        metric=metric,
    )
    return environment.get_template("report.html.jinja").render(
        report=report,
        run=report.run,
        style=(_FOLDER / "report.css").read_text(encoding="utf-8"),
        charts=charts,
        speech=SPEECH,
        settings=yaml.safe_dump(without(report.run.config), sort_keys=False, allow_unicode=True, width=100),
        most_rows=MOST_ROWS,
        most_failures=MOST_FAILURES,
        findings=FINDINGS,
    )


def _safe(value: object) -> object:
    """What stands on the page: text without control characters; Jinja escapes it. Our own markup as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float | None, digits: int = 0) -> str:
    """1234567 as 1,234,567."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """A share as a percentage, with a decimal where it is small."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}\u00a0%" if 0 < abs(value) < 0.1 else f"{100 * value:.0f}\u00a0%"


def seconds(value: float) -> str:
    """A duration for people."""
    if value < 60:
        return f"{value:.1f} s"
    return str(timedelta(seconds=round(value)))


def label(name: str) -> str:
    """A name of the data in plain words."""
    return LABELS.get(name, name.replace("_", " "))


def place(number: int | None) -> str:
    """Which session of a course it is; nothing for a session of its own."""
    return "" if number is None else f" · session {number} of its course"


def link(session_id: str) -> str:
    """Where the readable transcript of a session lies, relative to the report."""
    return f"transcripts/{quote(session_id, safe='')}.md"


def metric(spread: Mapping[str, Any] | None, kind: str) -> str:
    """Mean and standard deviation over sessions."""
    if not spread:
        return "–"
    mean, deviation = spread["mean"], spread["sd"]
    if kind == "share":
        return percent(mean) if deviation is None else f"{percent(mean)} ± {100 * deviation:.0f}"
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"


def happened(event: Event) -> str:
    """An event as a short line."""
    data = event.data
    match event.kind:
        case "loop":
            return f"loop: “{data.get('what', '')}” in {len(data.get('turns', ()))} of the last turns"
        case "repeat" | "echo" if data.get("of_turn") is not None:
            return f"{label(event.kind)} of turn {data['of_turn']} ({percent(data.get('share'))})"
        case "role_break":
            return f"role break ({label(str(data.get('form', '')))}): “{data.get('what', '')}”"
        case "crisis":
            denied = ", denied" if data.get("denied") else ""
            return f"crisis content ({label(str(data.get('level', '')))}{denied}): “{data.get('what', '')}”"
        case "nudge":
            return f"direction for the next turn: {data.get('text', '')}"
        case "retry" if data.get("by") == "guard":
            return f"sampled again because of {data.get('because')}"
        case "handover":
            return f"handover to the next session (by {data.get('by')}): {data.get('note', '')}"
        case "retry":
            return f"the {data.get('of')} was asked for again: {data.get('reason')}"
    rest = "; ".join(f"{key} {value}" for key, value in data.items() if isinstance(value, int | float | str))
    return f"{label(event.kind)}: {rest[:300]}" if rest else label(event.kind)
