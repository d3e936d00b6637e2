"""Renders sessions as Markdown for people.

Invariant: turns are shown literally; no text of a model can make a heading, a link, HTML or a code block.
"""

import re

from harness.text.visible import visible
from harness.types import HANDOVER, Event, Failure, SessionResult, SessionSpec, Turn

_INLINE = re.compile(r"([\\`*_\[\]<>&~|$])")
"""Characters with a meaning in Markdown anywhere in a line."""
_LINE_START = re.compile(r"(?=[#+=-])|\d+(?=[.)])")
"""The place for a backslash at the start of a line, so that it is not a heading or a list item."""
_GAPS = re.compile(r"\n\n+")


def escape(text: str) -> str:
    """Markdown that shows a text literally, with its line breaks."""
    lines = "\n".join([_escaped(line.strip()) for line in visible(text).split("\n")])
    paragraphs = _GAPS.split(lines.strip("\n"))
    return "\n\n".join(paragraph.replace("\n", "  \n") for paragraph in paragraphs)


def _escaped(line: str) -> str:
    line = _INLINE.sub(r"\\\1", line)
    start = _LINE_START.match(line)
    return line if start is None else f"{start.group()}\\{line[start.end() :]}"


def transcript(session: SessionResult | Failure) -> str:
    """A session, or the turns of a failed one, as Markdown."""
    if isinstance(session, Failure):
        end = f"failed at {escape(session.where)}: {escape(session.error)}: {escape(session.message)}"
        return _page(session.spec, " ".join(end.split()), session.turns, ())
    return _page(session.spec, escape(session.stop_reason), session.turns, session.events)


def _page(spec: SessionSpec, end: str, turns: tuple[Turn, ...], events: tuple[Event, ...]) -> str:
    parts = [
        f"# {escape(spec.session_id)}",
        f"- persona: {escape(spec.persona_id)}\n- seed: {spec.seed}\n- turns: {len(turns)}\n- ended: {end}",
    ]
    if spec.course is not None:
        parts[-1] += f"\n- course: {escape(spec.course)}, session {spec.number}"
    for turn in turns:
        parts.append(f"## {turn.index} · {turn.speaker.capitalize()}")
        parts.append(escape(turn.text))
    for event in events:
        if event.kind == HANDOVER:
            parts += ["## Handover to the next session", escape(str(event.data["note"]))]
    if events:
        parts.append("## Events")
        parts.append("\n".join(f"- turn {e.turn}, {e.speaker}: {escape(e.kind)}" for e in events))
    return "\n\n".join(parts) + "\n"
