"""A session in full: its turns, what each speaker's model saw, the patient's state, and the events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.guard.findings import FINDINGS
from harness.report.charts.ribbon import Used
from harness.report.charts.strip import COLOURS, Disclosed, Mark
from harness.report.repeats import repeats
from harness.report.rows import Row
from harness.store.records import FailureRecord, SessionRecord
from harness.types import Event, Speaker, Turn

STRIP = ("trust", "openness", "distress")
"""Quantities of the session strip."""


@dataclass(frozen=True, slots=True)
class Said:
    """A turn with its events, view and state."""

    turn: Turn
    events: tuple[Event, ...]
    out_of_view: str
    """The turns that the speaker's model did not see: `2 to 9`; empty for none."""
    note: str | None
    """A new note on these turns, made for this turn."""
    state: tuple[tuple[str, float], ...]
    """The patient's state after this turn, in [0, 1]."""
    appraisal: tuple[tuple[str, float], ...]
    """How the patient appraised the therapist's turn before it; parts that are 0 are left out."""
    layers: str
    """Layers told and unlocked, if these numbers changed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A session that is shown in full."""

    row: Row
    session: SessionRecord | FailureRecord
    events: tuple[Event, ...]
    turns: tuple[Said, ...]

    @property
    def states(self) -> Mapping[str, list[tuple[int, float]]]:
        """For each quantity of the session strip: (turn, value)."""
        found = {name: list(_values(self.session.turns, name)) for name in STRIP}
        return {name: values for name, values in found.items() if len(values) > 1}

    @property
    def marks(self) -> list[Mark]:
        """Marks for layers told, findings of the guard and compactions."""
        marks = [Mark(turn, "told", f"turn {turn}: layer {layer} told") for turn, layer in _told(self.session.turns)]
        for event in self.events:
            if event.kind in FINDINGS:
                marks.append(Mark(event.turn, "finding", f"turn {event.turn}: {event.kind.replace('_', ' ')}"))
            elif event.kind == "compaction":
                marks.append(
                    Mark(event.turn, "compaction", f"turn {event.turn}: compaction of the {event.speaker}'s view")
                )
        return marks

    @property
    def disclosed(self) -> Disclosed:
        row = self.row
        return Disclosed(row.session_id, row.unlocked_at, row.told_at, row.exchanges)

    def used(self, speaker: str) -> list[Used]:
        """The use of the window in each request of one speaker."""
        own = [turn for turn in self.session.turns if turn.speaker == speaker and turn.max_model_len]
        pinned = own[0].prompt_tokens if own else 0
        return [
            Used(t.index, t.max_model_len, pinned, t.summary_tokens, t.prompt_tokens, t.max_new_tokens, t.evicted_turns)
            for t in own
        ]

    def repeats(self, speaker: str) -> list[tuple[float, float]]:
        """(turn, share of word 4-grams that the speaker said before)."""
        return [(float(index), share) for index, share in repeats(self.session.turns, Speaker(speaker))]


def shown(session: SessionRecord | FailureRecord, row: Row) -> Shown:
    """Prepare a session for the page."""
    everything = tuple(session.events) if isinstance(session, SessionRecord) else ()
    by_turn: dict[int, list[Event]] = {}
    for event in everything:
        by_turn.setdefault(event.turn, []).append(event)
    left: dict[Speaker, set[int]] = {speaker: set() for speaker in Speaker}
    layers, said = (0, 0), []
    for turn in session.turns:
        events = tuple(by_turn.get(turn.index, ()))
        note = None
        for event in events:
            if event.kind == "compaction":
                left[event.speaker] |= {index for index in _list(event.data.get("left")) if isinstance(index, int)}
                note = _text(event.data.get("note")) if event.speaker is turn.speaker else note
        state = turn.patient_state or {}
        now = (_count(state, "told"), _count(state, "unlocked")) if state else layers
        told = f"{now[0]} told, {now[1]} can be told" if now != layers else ""
        layers = now
        said.append(
            Said(
                turn,
                events,
                _spans(left[turn.speaker]) if turn.evicted_turns else "",
                note,
                tuple((name, float(state[name])) for name in COLOURS if isinstance(state.get(name), int | float)),
                tuple(_appraised(state.get("appraisal"))),
                told,
            )
        )
    return Shown(row, session, everything, tuple(said))


def _values(turns: Sequence[Turn], name: str) -> Iterator[tuple[int, float]]:
    for turn in turns:
        value = turn.patient_state.get(name) if turn.patient_state else None
        if isinstance(value, int | float):
            yield turn.index, float(value)


def _told(turns: Sequence[Turn]) -> Iterator[tuple[int, int]]:
    """(turn, number of the layer) for each layer told in this session."""
    before: int | None = None
    for turn in turns:
        if turn.patient_state:
            now = _count(turn.patient_state, "told")
            for layer in range((now if before is None else before) + 1, now + 1):
                yield turn.index, layer
            before = now


def _appraised(value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, amount in value.items():
            if isinstance(amount, int | float) and not isinstance(amount, bool) and round(amount, 2) > 0:
                yield str(name), float(amount)


def _spans(indices: set[int]) -> str:
    """`2 to 9, 14 to 15`."""
    spans: list[list[int]] = []
    for index in sorted(indices):
        if spans and index == spans[-1][1] + 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in spans[:6])


def _count(state: Mapping[str, Any], name: str) -> int:
    value = state.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
