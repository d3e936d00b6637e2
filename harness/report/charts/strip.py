"""The patient's inner state over a session, with marks for events below, and the timeline of disclosure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.charts import svg

LANES = (("told", "told"), ("finding", "guard"), ("compaction", "compaction"))
"""(kind of mark, name of its lane)."""
COLOURS = {"trust": "c1", "hope": "c2", "distress": "c3", "overwhelm": "c4", "openness": "c5"}
_LEFT, _RIGHT, _TOP, _PLOT, _LANE = 78.0, 82.0, 8.0, 110.0, 15.0


@dataclass(frozen=True, slots=True)
class Mark:
    """An event at a turn."""

    turn: int
    kind: str
    """One of `LANES`."""
    text: str


def strip(
    states: Mapping[str, Sequence[tuple[int, float]]],
    marks: Sequence[Mark],
    turns: int,
    *,
    title: str,
    width: float = 720,
) -> Markup:
    """Lines for quantities in [0, 1], given as (turn, value), over `turns` turns; one lane for each kind of mark."""
    inner = width - _LEFT - _RIGHT
    height = _TOP + _PLOT + _LANE * len(LANES) + 22

    def place(turn: int) -> float:
        return _LEFT + inner * turn / max(1, turns - 1)

    parts = []
    for level in (0.0, 0.5, 1.0):
        at = _TOP + _PLOT * (1 - level)
        parts += [
            svg.line((_LEFT, at), (width - _RIGHT, at), "grid"),
            svg.label(_LEFT - 6, at + 3.5, f"{level:g}", anchor="end"),
        ]
    ends = []
    for name, values in states.items():
        points = [(place(turn), _TOP + _PLOT * (1 - min(1.0, max(0.0, value)))) for turn, value in values]
        if points:
            parts.append(svg.path(points, COLOURS.get(name, "c1")))
            ends.append((points[-1][1], name))
    floor = float("-inf")
    for at, name in sorted(ends):
        floor = max(at + 3.5, floor + 14)
        parts.append(svg.label(width - _RIGHT + 8, floor, name, kind=COLOURS.get(name, "c1")))
    for number, (kind, name) in enumerate(LANES):
        at = _TOP + _PLOT + 14 + _LANE * number
        parts += [
            svg.line((_LEFT, at), (width - _RIGHT, at), "grid"),
            svg.label(_LEFT - 6, at + 3.5, name, anchor="end"),
        ]
        parts += [svg.mark(place(one.turn), at, kind, one.text) for one in marks if one.kind == kind]
    parts += [
        svg.label(_LEFT, height - 3, "turn 0"),
        svg.label(width - _RIGHT, height - 3, f"turn {turns - 1}", anchor="end"),
    ]
    return svg.picture(parts, width=width, height=height, title=title, text=_told(states, marks), kind="plot strip")


def _told(states: Mapping[str, Sequence[tuple[int, float]]], marks: Sequence[Mark]) -> str:
    moved = [f"{name} from {values[0][1]:.2f} to {values[-1][1]:.2f}" for name, values in states.items() if values]
    counted = [
        f"{sum(one.kind == kind for one in marks)} {name} marks"
        for kind, name in LANES
        if any(m.kind == kind for m in marks)
    ]
    return "; ".join([*moved, *counted])


@dataclass(frozen=True, slots=True)
class Disclosed:
    """From which exchanges the layers of a patient could be told, and when they were told; exchanges count from 1."""

    name: str
    unlocked: Sequence[int]
    told: Sequence[int]
    exchanges: int

    @property
    def last(self) -> int:
        """The last exchange of the session. One that the patient ends has a turn more than whole exchanges."""
        return max(self.exchanges, *self.unlocked, *self.told, 1)


def disclosure(rows: Sequence[Disclosed], *, title: str, width: float = 720) -> Markup:
    """A line per session, with a ring where a layer became tellable and a disc where it was told; empty without any."""
    rows = [row for row in rows if row.unlocked or row.told]
    if not rows:
        return Markup("")
    left, right, step = 210.0, 20.0, 19.0
    longest = max(row.last for row in rows)
    height = step * len(rows) + 26

    def place(exchange: int) -> float:
        return left + (width - left - right) * (exchange - 1) / max(1, longest - 1)

    parts = []
    for number, row in enumerate(rows):
        at = step * number + 12
        parts.append(svg.label(left - 12, at + 3.5, svg.clipped(row.name, 32), anchor="end"))
        parts.append(svg.line((left, at), (place(row.last), at), "grid"))
        for layer, exchange in enumerate(row.unlocked, 1):
            told = row.told[layer - 1] if layer <= len(row.told) else None
            if told is not None:
                parts.append(svg.line((place(exchange), at), (place(told), at), "span"))
            parts.append(
                svg.mark(place(exchange), at, "unlocked", f"layer {layer} could be told from exchange {exchange}")
            )
        for layer, exchange in enumerate(row.told, 1):
            parts.append(svg.mark(place(exchange), at, "told", f"layer {layer} told in exchange {exchange}"))
    parts += [
        svg.label(left, height - 3, "exchange 1"),
        svg.label(width - right, height - 3, f"{longest}", anchor="end"),
    ]
    text = "; ".join(f"{row.name}: {len(row.told)} of {len(row.unlocked)} unlocked layers told" for row in rows)
    return svg.picture(parts, width=width, height=height, title=title, text=text, kind="plot disclosure")
