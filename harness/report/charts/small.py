"""Small charts within a line of text. Their numbers are next to them, so they are hidden from screen readers."""

from collections.abc import Sequence

from markupsafe import Markup

from harness.report.charts import svg
from harness.types import Turn

_MOST_POINTS = 16


def spark(values: Sequence[float], width: int = 84, height: int = 20) -> Markup:
    """The used share of a window over a session; the top edge is the whole window."""
    if not values:
        return Markup("")
    if len(values) > _MOST_POINTS:
        step = len(values) / _MOST_POINTS
        values = [max(values[int(i * step) : max(int(i * step) + 1, int((i + 1) * step))]) for i in range(_MOST_POINTS)]
    step = width / max(1, len(values) - 1)
    points = [(i * step, height - min(1.0, v) * (height - 1)) for i, v in enumerate(values)]
    if len(points) == 1:
        points.append((float(width), points[0][1]))
    drawn = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width} {height}" aria-hidden="true"><polyline points="{drawn}"/></svg>'
    )


def meter(turn: Turn) -> Markup:
    """The use of the window in one request: cached prompt, computed prompt, reserve for the answer."""
    if not turn.max_model_len:
        return Markup("")
    whole = turn.max_model_len
    cached = 100 * min(turn.cached_tokens or 0, turn.prompt_tokens) / whole
    prompt = 100 * turn.prompt_tokens / whole
    reserve = 100 * turn.max_new_tokens / whole
    return Markup(
        '<svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="free" width="100" height="4"/>'
        f'<rect class="reserve" x="{prompt:.1f}" width="{reserve:.1f}" height="4"/>'
        f'<rect class="prompt" width="{prompt:.1f}" height="4"/>'
        f'<rect class="cached" width="{cached:.1f}" height="4"/></svg>'
    )


def level(value: float, kind: str) -> Markup:
    """A quantity in [0, 1] as a bar."""
    width = 40 * min(1.0, max(0.0, value))
    return Markup(
        '<svg class="level" viewBox="0 0 40 5" width="40" height="5" aria-hidden="true">'
        f'<rect class="free" width="40" height="5"/><rect class="{svg.safe(kind)}" width="{width:.1f}" height="5"/></svg>'
    )


def interval(
    mean: float,
    reach: tuple[float, float] | None,
    domain: tuple[float, float],
    *,
    strong: bool = False,
    width: int = 170,
) -> Markup:
    """A mean as a dot and its interval as a line, on an axis over `domain`; a vertical line at 0 if it is within."""
    low, high = domain
    span = high - low or 1.0

    def place(value: float) -> float:
        return 5 + (width - 10) * min(1.0, max(0.0, (value - low) / span))

    parts = [svg.line((5, 9), (width - 5, 9), "grid")]
    if low < 0 < high:
        parts.append(svg.line((place(0), 1), (place(0), 17), "zero"))
    if reach is not None:
        parts.append(svg.line((place(reach[0]), 9), (place(reach[1]), 9), "reach"))
    parts.append(f'<circle cx="{place(mean):.1f}" cy="9" r="4"/>')
    kind = "dot strong" if strong else "dot"
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width} 18" width="{width}" height="18" aria-hidden="true">{"".join(parts)}</svg>'
    )
