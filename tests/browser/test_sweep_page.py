"""The page of a sweep, and of a comparison: readable, safe, and two settings side by side."""

from pathlib import Path

import orjson
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from harness.__main__ import main
from harness.report.sweep import write_sweep_report
from harness.report.write import write_report
from tests.browser.axe import AXE, serious
from tests.browser.conftest import Open, complaints, requested
from tests.fixtures.report_rich import rich_sweep

LOOKS = [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of three settings and of a fourth one that could not be played."""
    folder = rich_sweep(tmp_path_factory.mktemp("sweeps") / "sweep")
    for run in folder.glob("p?/run.json"):
        write_report(run.parent)
    return write_sweep_report(folder)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_grid_map_and_dots_are_there_and_nothing_is_asked_for(
    opened: Open, sweep: Path, width: int, scheme: str
) -> None:
    page = opened(sweep, width, scheme)
    points = [row.text for row in page.find_elements(By.CSS_SELECTOR, "#points + .scroll tbody tr")]
    assert [point.split()[0] for point in points] == ["truncate", "hybrid", "summarize", "context=none"]
    assert "the window is too small" in points[-1]
    assert page.find_elements(By.CSS_SELECTOR, "table.heat td[style*='--v: 1.00']")
    assert page.find_elements(By.CSS_SELECTOR, "table.dots tr.told svg .reach")
    assert "the simulated patient's trust" in page.find_element(By.CSS_SELECTOR, ".findings").text
    assert page.execute_script("return document.scrollingElement.scrollWidth") <= width
    assert requested(page) == [sweep.as_uri()]
    assert complaints(page) == []


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core; npm install --prefix tests/browser")
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_no_serious_fault(opened: Open, sweep: Path, width: int, scheme: str) -> None:
    assert serious(opened(sweep, width, scheme)) == []


def test_two_settings_stand_turn_beside_turn(opened: Open, sweep: Path) -> None:
    page = opened(sweep)
    pairs = [option.text for option in Select(page.find_element(By.ID, "pair")).options]
    assert len(pairs) == 8
    persona, _, seed = pairs[-1].partition(", seed ")
    for name, choice in (("pair", pairs[-1]), ("left", "summarize"), ("right", "truncate")):
        Select(page.find_element(By.ID, name)).select_by_visible_text(choice)
    heads = [head.text for head in page.find_elements(By.CSS_SELECTOR, ".sides thead th")]
    assert heads == ["summarize", "truncate"]
    rows = page.find_elements(By.CSS_SELECTOR, "#lines tr")
    sessions = {}
    for folder in ("p2", "p0"):
        lines = (sweep.parent / folder / "sessions.jsonl").read_bytes().splitlines()
        sessions[folder] = next(
            s for s in map(orjson.loads, lines) if (s["persona_id"], s["seed"]) == (persona, int(seed))
        )
    assert len(rows) == len(sessions["p2"]["turns"])
    for row, left, right in zip(rows, sessions["p2"]["turns"], sessions["p0"]["turns"], strict=True):
        one, other = row.find_elements(By.TAG_NAME, "td")
        assert left["text"] in one.text
        assert right["text"] in other.text
    last_state = sessions["p2"]["turns"][14]["patient_state"]["trust"]
    assert f"trust {last_state:.2f}" in rows[14].find_elements(By.TAG_NAME, "td")[0].text


def test_a_point_leads_to_its_own_report(opened: Open, sweep: Path) -> None:
    page = opened(sweep)
    page.find_element(By.CSS_SELECTOR, "[aria-label='Report of hybrid']").click()
    assert page.current_url == (sweep.parent / "p1" / "report.html").as_uri()


def test_compare_writes_the_same_as_a_page(opened: Open, sweep: Path, tmp_path: Path) -> None:
    path = tmp_path / "comparison.html"
    runs = [str(sweep.parent / name) for name in ("p0", "p1")]
    assert main(["compare", *runs, "--html", str(path)]) == 0
    page = opened(path)
    assert page.find_elements(By.CSS_SELECTOR, "table.dots svg circle")
    assert "minus the baseline, truncate" in page.find_element(By.TAG_NAME, "main").text
    assert requested(page) == [path.as_uri()]
    assert complaints(page) == []
