"""Numbers over turns, exchanges or time."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.charts import svg

_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 92.0, 10.0, 24.0


@dataclass(frozen=True, slots=True)
class Series:
    """One line: points (x, y), sorted by x."""

    name: str
    points: Sequence[svg.Point]
    kind: str
    """CSS class of its colour."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: its name and range."""

    name: str
    low: float = 0.0
    high: float = 1.0
    percent: bool = False

    def shown(self, value: float) -> str:
        if self.percent:
            return f"{100 * value:.0f}%"
        if abs(value) >= 100_000:  # there is room for six characters
            return f"{value / 1e6:.3g}M" if abs(value) >= 1e6 else f"{value / 1e3:.3g}k"
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    def share(self, value: float) -> float:
        """The position of a value on the axis, 0 to 1."""
        span = self.high - self.low
        return 0.0 if span <= 0 else min(1.0, max(0.0, (value - self.low) / span))


def lines(series: Sequence[Series], x: Axis, y: Axis, *, title: str, width: float = 640, height: float = 190) -> Markup:
    """Lines with their names at the right end; empty if no line has two points."""
    known = [one for one in series if len(one.points) > 1]
    if not known:
        return Markup("")
    inner_w, inner_h = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    parts = list(_grid(x, y, width, height))
    ends: list[tuple[float, Series]] = []
    for one in known:
        placed = [(_LEFT + inner_w * x.share(a), _TOP + inner_h * (1 - y.share(b))) for a, b in one.points]
        parts.append(svg.path(placed, one.kind))
        ends.append((placed[-1][1], one))
    floor = float("-inf")
    for at, one in sorted(ends, key=lambda end: end[0]):
        floor = max(at + 3.5, floor + 14)
        parts.append(svg.label(width - _RIGHT + 8, floor, one.name, kind=one.kind))
    text = "; ".join(f"{one.name} from {y.shown(one.points[0][1])} to {y.shown(one.points[-1][1])}" for one in known)
    return svg.picture(parts, width=width, height=height, title=title, text=text)


def _grid(x: Axis, y: Axis, width: float, height: float) -> list[str]:
    right, bottom = width - _RIGHT, height - _BOTTOM
    parts = []
    for level in (0.0, 0.5, 1.0):
        at = _TOP + (bottom - _TOP) * (1 - level)
        parts.append(svg.line((_LEFT, at), (right, at), "grid"))
        parts.append(svg.label(_LEFT - 6, at + 3.5, y.shown(y.low + level * (y.high - y.low)), anchor="end"))
    parts.append(svg.label(_LEFT, height - 6, x.shown(x.low)))
    parts.append(svg.label((_LEFT + right) / 2, height - 6, x.name, anchor="middle"))
    parts.append(svg.label(right, height - 6, x.shown(x.high), anchor="end"))
    return parts
