"""Charts: pure functions whose markup is well formed, says what it shows, and holds no text but escaped."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from harness.report.charts.lines import Axis, Series, lines
from harness.report.charts.ribbon import PARTS, Used, ribbon
from harness.report.charts.small import interval, level, meter, spark
from harness.report.charts.strip import Disclosed, Mark, disclosure, strip
from harness.types import Speaker, Turn

HOSTILE = "\"><script>alert(1)</script>&'\u202e\x1b[2J"
STATES = {"trust": [(0, 0.2), (2, 0.5), (4, 0.9)], "distress": [(0, 0.8), (2, 0.7), (4, 2.0)]}
MARKS = [Mark(2, "told", HOSTILE), Mark(3, "finding", "loop"), Mark(4, "compaction", "left")]
USED = [Used(1, 1000, 300, 0, 400, 200, 0), Used(3, 1000, 300, 100, 700, 200, 4)]


def drawn(markup: str) -> ElementTree.Element:
    """The picture; it must be well-formed XML."""
    return ElementTree.fromstring(markup)


CHARTS: list[Callable[[], str]] = [
    lambda: strip(STATES, MARKS, 5, title=HOSTILE),
    lambda: disclosure([Disclosed(HOSTILE, (2, 3), (4,), 8)], title=HOSTILE),
    lambda: ribbon(USED, title=HOSTILE, kind="therapist"),
    lambda: lines([Series(HOSTILE, [(0, 0), (9, 1)], "c1")], Axis(HOSTILE, 0, 9), Axis("y"), title=HOSTILE),
]


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_says_what_it_shows_and_no_text_becomes_markup(chart: Callable[[], str]) -> None:
    picture = drawn(chart())
    assert picture.get("role") == "img"
    name = picture.get("aria-label") or ""
    assert len(name) > len(HOSTILE) + 20
    assert not {element.tag for element in picture.iter()} - {
        "svg",
        "line",
        "polyline",
        "rect",
        "circle",
        "path",
        "text",
        "title",
    }
    assert "\x1b" not in chart()
    assert "\u202e" not in chart()
    assert chart() == chart()


def test_a_strip_puts_marks_at_their_turns_in_the_lane_of_their_kind() -> None:
    picture = drawn(strip(STATES, MARKS, 5, title="t"))
    lines_of = {line.get("class"): points(line) for line in picture.iter("polyline")}
    assert set(lines_of) == {"c1", "c3"}
    told, middle = picture.find("circle"), lines_of["c1"][1]
    assert told is not None
    assert float(told.get("cx") or 0) == pytest.approx(middle[0], abs=0.1)  # both at turn 2
    assert "1 told marks" in (picture.get("aria-label") or "")
    top = min(y for _, y in lines_of["c3"])
    assert top >= 8  # a value beyond 1 stays within the plot


def points(line: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in (line.get("points") or "").split())]


def test_the_parts_of_a_window_add_up_to_it() -> None:
    for one in (*USED, Used(5, 1000, 900, 500, 950, 50, 2)):
        shares = one.shares()
        assert list(shares) == list(PARTS)
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) >= 0
    assert USED[1].shares() == pytest.approx({"pinned": 0.3, "note": 0.1, "history": 0.3, "reserve": 0.2, "free": 0.1})


def test_a_ribbon_shows_what_was_out_of_view_below_the_window() -> None:
    bars = list(drawn(ribbon(USED, title="t", kind="patient")).iter("rect"))
    evicted = [bar for bar in bars if "evicted" in (bar.get("class") or "")]
    assert len(evicted) == 1
    others = [bar for bar in bars if bar not in evicted]
    floor = max(float(bar.get("y") or 0) + float(bar.get("height") or 0) for bar in others)
    assert float(evicted[0].get("y") or 0) > floor


def test_an_interval_lies_around_its_mean_and_shows_zero_only_where_it_is_on_the_axis() -> None:
    shown = drawn(interval(0.2, (0.1, 0.4), (-1, 1), strong=True))
    reach = next(line for line in shown.iter("line") if line.get("class") == "reach")
    dot = shown.find("circle")
    assert dot is not None
    low, at, high = float(reach.get("x1") or 0), float(dot.get("cx") or 0), float(reach.get("x2") or 0)
    assert low < at < high
    assert any(line.get("class") == "zero" for line in shown.iter("line"))
    assert not any(line.get("class") in ("zero", "reach") for line in drawn(interval(0.2, None, (0, 1))).iter("line"))


def test_nothing_to_show_is_no_picture() -> None:
    assert lines([], Axis("x"), Axis("y"), title="t") == ""
    assert lines([Series("one", [(1, 1)], "c1")], Axis("x"), Axis("y"), title="t") == ""
    assert ribbon([Used(0, 0, 0, 0, 0, 0, 0)], title="t", kind="patient") == ""
    assert disclosure([Disclosed("s", (), (), 4)], title="t") == ""
    assert spark(()) == ""
    assert meter(Turn(0, Speaker.PATIENT, "")) == ""


@pytest.mark.parametrize("exchanges", [1, 2, 5])
def test_what_the_patient_tells_in_its_last_turn_is_within_the_timeline(exchanges: int) -> None:
    """A patient that ends the session speaks once more than the therapist."""
    last = exchanges + 1
    picture = drawn(disclosure([Disclosed("s", (last,), (last,), exchanges)], title="t", width=720))
    places = [float(circle.get("cx", 0)) for circle in picture.iter() if circle.tag.endswith("circle")]
    assert len(places) == 2
    assert max(places) <= 700


def test_small_pictures_stand_beside_their_numbers_and_stay_small() -> None:
    for markup in (spark([0.1] * 500), level(7.0, "trust"), meter(Turn(0, Speaker.PATIENT, "", 10, 5, 5, 10, 100))):
        assert drawn(markup).get("aria-hidden") == "true"
        assert len(markup) < 700
    assert 'width="40.0"' in level(7.0, "trust")  # no wider than the whole


def test_axes_show_shares_in_percent_and_large_numbers_with_separators() -> None:
    assert Axis("x", 0, 1, percent=True).shown(0.25) == "25%"
    assert Axis("x").shown(12345.6) == "12,346"
    assert Axis("x", 2, 2).share(2) == 0
