"""Reads sessions from a table: one utterance per row, in columns that the user names.

Rows of one session may be anywhere. Several rows with the same utterance (same session, order, speaker and text), as
written by several annotators, become one utterance with all their labels.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.agents.text_form import LONGEST_TURN
from harness.errors import TranscriptError, did_you_mean, some_of
from harness.reading.delimited import delimiter
from harness.runs.imports.sessions import Found, Layout, Said, read_bounded, session, utterance

PLACES = ("text", "speaker", "session", "persona", "order")
"""What a column can hold; `text` and `speaker` are required."""
ALL = "all"


def read(path: Path, layout: Layout) -> Iterator[Found]:
    """The sessions of a table. Raises `TranscriptError`."""
    text = read_bounded(path)
    csv.field_size_limit(4 * LONGEST_TURN)
    # Not splitlines(), which also splits at U+2028 and similar characters.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(path, text), strict=True)
    header, width = _header(path, rows, layout)
    used = {header[name] for name in layout.columns.values()} | {header[name] for name in layout.meta}
    labels = [name for name, place in header.items() if place not in used] if layout.labels == (ALL,) else layout.labels
    groups: dict[str, list[_Row]] = {}
    for place, cells in _rows(path, rows, width):
        cell = {name: cells[header[column]] for name, column in layout.columns.items()}
        said = _utterance(cell, {name: cells[header[name]] for name in labels}, layout, place)
        if said is not None:
            meta = {name: cells[header[name]] for name in layout.meta}
            key = cell.get("session", "").strip() if "session" in cell else path.stem
            if not key:
                raise TranscriptError(f"{place}: {layout.columns['session']}: empty; expected the id of a session")
            groups.setdefault(key, []).append(_Row(cell.get("order", ""), said, cell.get("persona"), meta))
    if not groups:
        raise TranscriptError(f"{path}: no row under its header; expected one utterance per row")
    for name, members in groups.items():
        yield _session(name, members, ordered="order" in layout.columns)


class _Row:
    """One row of a session."""

    __slots__ = ("meta", "order", "persona", "said")

    def __init__(self, order: str, said: Said, persona: str | None, meta: Mapping[str, str]) -> None:
        self.order, self.said, self.persona, self.meta = order, said, persona, meta


def _session(name: str, rows: list[_Row], *, ordered: bool) -> Found:
    if ordered:
        rows = sorted(rows, key=lambda row: _number(row.order, row.said.place))
        rows = _once(rows)
    first = rows[0]
    for row in rows:
        if row.persona != first.persona:
            raise TranscriptError(
                f"{row.said.place}: session {name}: its persona {row.persona!r:.60} differs from that of its first row "
                f"({first.said.place}); a session has one patient: give the right session column, or another persona column"
            )
        if row.meta != first.meta:
            raise TranscriptError(
                f"{row.said.place}: session {name}: a --meta column differs from its first row "
                f"({first.said.place}); remove that column from --meta, or give the right session column"
            )
    persona = first.persona or None
    return session(name, first.said.place, [row.said for row in rows], persona=persona, meta=dict(first.meta))


def _once(rows: list[_Row]) -> list[_Row]:
    """The rows with those of the same utterance merged; labels that differ become lists."""
    found: list[_Row] = []
    for row in rows:
        last = found[-1] if found else None
        if last is None or _said(last) != _said(row):
            found.append(row)
            continue
        both = dict(last.said.labels)
        for name, value in row.said.labels.items():
            there = both.get(name)
            values = there if isinstance(there, list) else [there]
            both[name] = [*values, value]
        said = last.said
        found[-1] = _Row(last.order, Said(said.speaker, said.text, said.place, both), last.persona, last.meta)
    return found


def _said(row: _Row) -> tuple[str, str, str]:
    """What rows of several annotators for one utterance have in common."""
    return row.order, row.said.speaker, row.said.text


def _utterance(cell: Mapping[str, str], labels: Mapping[str, Any], layout: Layout, place: str) -> Said | None:
    speaker = layout.speaker(cell["speaker"], place)
    return None if speaker is None else utterance(speaker, cell["text"], place, labels)


def _delimiter(path: Path, text: str) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else delimiter(text.splitlines()[0])


def _header(path: Path, rows: Iterator[list[str]], layout: Layout) -> tuple[dict[str, int], int]:
    """The position of each named column, and the number of all columns.

    Raises `TranscriptError` if a column that the user named is missing.
    """
    try:
        names = next(rows)
    except csv.Error as error:
        raise TranscriptError(f"{path}:1: no table: {error}") from error
    named = [name.strip() for name in names]
    header = {name: place for place, name in enumerate(named) if name}  # spreadsheets write unnamed columns
    if twice := next((name for name in header if named.count(name) > 1), None):
        raise TranscriptError(f"{path}:1: there are two columns {twice!r}; rename one")
    missing = [place for place in ("text", "speaker") if place not in layout.columns]
    if missing:
        raise TranscriptError(
            f"{path}:1: which column holds the {missing[0]}? give --columns text=NAME,speaker=NAME[,session=NAME]; "
            f"there are {some_of(header, missing[0])}"
        )
    wanted = [*layout.columns.values(), *layout.meta, *(name for name in layout.labels if name != ALL)]
    for name in wanted:
        if name not in header:
            raise TranscriptError(
                f"{path}:1: no column {name!r}{did_you_mean(name, header)}; there are {some_of(header, name)}"
            )
    return header, len(names)


def _rows(path: Path, rows: Any, width: int) -> Iterator[tuple[str, list[str]]]:
    """The place where each row begins, and its cells."""
    line = rows.line_num + 1
    try:
        for cells in rows:
            place, line = f"{path}:{line}", rows.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != width:
                raise TranscriptError(f"{place}: {len(cells)} cells; expected {width}, as in the header")
            yield place, cells
    except csv.Error as error:
        raise TranscriptError(f"{path}:{line}: no table: {error}") from error


def _number(text: str, place: str) -> float:
    """A number, or a time such as 00:04:12 as seconds."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    number = sum(part * 60.0**power for power, part in enumerate(reversed(parts)))
    if not 1 <= len(parts) <= 3 or not math.isfinite(number):
        raise TranscriptError(f"{place}: order: found {text[:40]!r}, expected a number, or a time as 00:04:12")
    return number
