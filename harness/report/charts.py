"""Small charts as inline SVG. They are made of numbers and fixed labels only, so nothing in them needs escaping."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from harness.types import Turn

_COLOURS = {"trust": "c1", "hope": "c2", "distress": "c3", "overwhelm": "c4", "openness": "c5"}


def spark(values: Sequence[float], width: int = 96, height: int = 22) -> Markup:
    """The fill of a window over a session; the top edge is the whole window."""
    if not values:
        return Markup("")
    step = width / max(1, len(values) - 1)
    points = [(i * step, height - min(1.0, v) * (height - 1)) for i, v in enumerate(values)] or [(0.0, float(height))]
    if len(points) == 1:
        points.append((float(width), points[0][1]))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">'
        f'<line x1="0" y1=".5" x2="{width}" y2=".5"/>'
        f'<polygon points="0,{height} {line} {points[-1][0]:.1f},{height}"/><polyline points="{line}"/></svg>'
    )


def meter(turn: Turn) -> Markup:
    """How the window of one request was used: cached prompt, computed prompt, reserve for the answer."""
    if not turn.max_model_len:
        return Markup("")
    whole = turn.max_model_len
    cached = 100 * min(turn.cached_tokens or 0, turn.prompt_tokens) / whole
    prompt = 100 * turn.prompt_tokens / whole
    reserve = 100 * turn.max_new_tokens / whole
    return Markup(
        '<svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="free" width="100" height="4"/>'
        f'<rect class="reserve" x="{prompt:.2f}" width="{reserve:.2f}" height="4"/>'
        f'<rect class="prompt" width="{prompt:.2f}" height="4"/>'
        f'<rect class="cached" width="{cached:.2f}" height="4"/></svg>'
    )


def trajectories(paths: Mapping[str, Sequence[float]], width: int = 640, height: int = 180) -> Markup:
    """Mean course of the inner state over the exchanges of all sessions; the vertical scale is 0 to 1."""
    known = {name: values for name, values in paths.items() if name in _COLOURS and values}
    longest = max(map(len, known.values()), default=0)
    if longest < 2:
        return Markup("")
    left, right, top, bottom = 26, 86, 8, 22
    inner_w, inner_h = width - left - right, height - top - bottom
    parts = [f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="Mean inner state by exchange">']
    for level in (0.0, 0.5, 1.0):
        y = top + inner_h * (1 - level)
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 3.5:.1f}" text-anchor="end">{level:g}</text>')
    ends = []
    for name, values in known.items():
        points = [
            (left + inner_w * i / (longest - 1), top + inner_h * (1 - min(1.0, max(0.0, value))))
            for i, value in enumerate(values)
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="{_COLOURS[name]}" points="{line}"/>')
        ends.append((points[-1][1], name))
    floor = float("-inf")
    for y, name in sorted(ends):
        floor = max(y + 3.5, floor + 14)
        parts.append(f'<text class="{_COLOURS[name]}" x="{width - right + 8}" y="{floor:.1f}">{name}</text>')
    middle = left + inner_w / 2
    parts.append(f'<text x="{left}" y="{height - 4}">1</text>')
    parts.append(f'<text x="{middle:.0f}" y="{height - 4}" text-anchor="middle">exchange</text>')
    parts.append(f'<text x="{width - right}" y="{height - 4}" text-anchor="end">{longest}</text></svg>')
    return Markup("".join(parts))
