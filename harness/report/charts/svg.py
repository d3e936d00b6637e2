"""Elements of SVG, as strings."""

from collections.abc import Iterable, Sequence
from html import escape

from markupsafe import Markup

from harness.text.visible import one_line

Point = tuple[float, float]


def safe(text: object) -> str:
    """Text that is safe between tags and in attributes: one line, without control characters, escaped."""
    return escape(one_line(str(text)), quote=True)


def picture(
    parts: Iterable[str], *, width: float, height: float, title: str, text: str = "", kind: str = "plot"
) -> Markup:
    """A chart with a title and a description for screen readers."""
    name = f"{title}. {text}" if text else title
    inner = "".join(parts)
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{safe(name)}">{inner}</svg>'
    )


def label(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> str:
    """A line of text."""
    marked = f' class="{kind}"' if kind else ""
    return f'<text{marked} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{safe(text)}</text>'


def line(start: Point, end: Point, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'


def bar(x: float, y: float, width: float, height: float, kind: str, tip: str = "") -> str:
    """A rectangle; `tip` is shown on hover."""
    if width <= 0:
        return ""
    head = f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f"{head}><title>{safe(tip)}</title></rect>" if tip else f"{head}/>"


def path(points: Sequence[Point], kind: str) -> str:
    """A line through points."""
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{through}"/>'


def mark(x: float, y: float, kind: str, tip: str = "") -> str:
    """A small symbol: a disc for `told`, a triangle for `finding`, a square for `compaction`, else a ring."""
    tipped = f"<title>{safe(tip)}</title>" if tip else ""
    if kind == "finding":
        return f'<path class="mark finding" d="M{x:.1f} {y - 4.5:.1f}l4.6 8.6h-9.2z">{tipped}</path>'
    if kind == "compaction":
        return f'<rect class="mark compaction" x="{x - 3.6:.1f}" y="{y - 3.6:.1f}" width="7.2" height="7.2">{tipped}</rect>'
    return f'<circle class="mark {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4">{tipped}</circle>'


def clipped(text: str, most: int) -> str:
    """The text, shortened to at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
