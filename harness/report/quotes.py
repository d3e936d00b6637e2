"""Marks the quotes of judges in a turn."""

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from harness.report.judged import Note
from harness.text.visible import visible


def marked(text: str, notes: Sequence[Note]) -> Markup:
    """The text, escaped, with every quote that occurs in it literally in a `mark` element."""
    parts, at = [], 0
    for start, end, note in _places(text, notes):
        if start < at:
            continue
        kind = note.severity if note.severity in ("red", "yellow") else "quoted"
        tip = escape(visible(f"{note.rubric}, {note.item}: {note.answer}"))
        parts += [_plain(text[at:start]), f'<mark class="{kind}" title="{tip}">{_plain(text[start:end])}</mark>']
        at = end
    return Markup("".join([*parts, _plain(text[at:])]))


def _places(text: str, notes: Sequence[Note]) -> list[tuple[int, int, Note]]:
    found = [
        (start, start + len(note.quote), note) for note in notes if note.quote and (start := text.find(note.quote)) >= 0
    ]
    return sorted(found, key=lambda place: (place[0], -place[1]))


def _plain(text: str) -> str:
    return escape(visible(text))
