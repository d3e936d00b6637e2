"""The use of one speaker's window, request by request."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.charts import svg

PARTS = ("pinned", "note", "history", "reserve", "free")


@dataclass(frozen=True, slots=True)
class Used:
    """The window of one request, in tokens."""

    turn: int
    window: int
    pinned: int
    """System prompt and opening: the prompt of the speaker's first turn."""
    note: int
    prompt: int
    """The whole prompt, including `pinned` and `note`."""
    reserve: int
    """Kept free for the answer."""
    evicted: int
    """Number of turns that were out of view."""

    def shares(self) -> dict[str, float]:
        """Each of `PARTS` as a share of the window; they add up to 1."""
        pinned = min(self.pinned, self.prompt)
        note = min(self.note, self.prompt - pinned)
        tokens = {
            "pinned": pinned,
            "note": note,
            "history": self.prompt - pinned - note,
            "reserve": self.reserve,
            "free": max(0, self.window - self.prompt - self.reserve),
        }
        return {name: tokens[name] / self.window for name in PARTS}


def ribbon(used: Sequence[Used], *, title: str, kind: str, width: float = 720) -> Markup:
    """A bar per turn with the height of the window; below it, a bar for the number of turns out of view."""
    used = [one for one in used if one.window > 0]
    if not used:
        return Markup("")
    left, right, top, high, below = 78.0, 82.0, 8.0, 84.0, 30.0
    step = (width - left - right) / len(used)
    most = max(one.evicted for one in used)
    parts = [svg.label(left - 6, top + 8, "window", anchor="end"), svg.label(left - 6, top + high, "0", anchor="end")]
    for number, one in enumerate(used):
        at, x = top + high, left + step * number
        for name, share in one.shares().items():
            at -= high * share
            if share > 0:
                parts.append(svg.bar(x, at, step * 0.86, high * share, f"part {name} {kind}", _tip(one, name, share)))
        if one.evicted:
            parts.append(
                svg.bar(
                    x,
                    top + high + 4,
                    step * 0.86,
                    below * one.evicted / most,
                    "part evicted",
                    f"turn {one.turn}: {one.evicted} turns out of view",
                )
            )
    if most:
        parts.append(svg.label(left - 6, top + high + 16, "out of view", anchor="end"))
        parts.append(svg.label(width - right + 8, top + high + below, f"{most} turns"))
    height = top + high + (below if most else 0) + 20
    parts += [
        svg.label(left, height - 3, f"turn {used[0].turn}"),
        svg.label(width - right, height - 3, f"turn {used[-1].turn}", anchor="end"),
    ]
    last = used[-1]
    text = f"at turn {last.turn} " + ", ".join(f"{name} {share:.0%}" for name, share in last.shares().items())
    return svg.picture(
        parts,
        width=width,
        height=height,
        title=title,
        text=f"{text}; {last.evicted} turns out of view",
        kind="plot ribbon",
    )


def _tip(one: Used, name: str, share: float) -> str:
    return f"turn {one.turn}: {name} {share * one.window:,.0f} of {one.window:,} tokens"
