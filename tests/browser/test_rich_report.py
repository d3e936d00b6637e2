"""A run with judges, courses, compactions and findings, as a page: every chart is there, and it can be used."""

import time
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from harness.report.write import write_report
from tests.browser.axe import AXE, serious
from tests.browser.conftest import Open, complaints, requested
from tests.fixtures.report_rich import QUOTE, RISK, rich_run

LOOKS = [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")]
OF_THE_RUN = ("states", "repetition", "disclosure", "pace", "cache")
OF_A_SESSION = ("Session strip", "Disclosure in", "Context of the therapist", "Context of the patient", "Repetition in")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"persona-{number}" for number in range(7)]
    return write_report(rich_run(tmp_path_factory.mktemp("rich") / "run", personas=names))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_chart_is_there_and_nothing_is_asked_for(opened: Open, report: Path, width: int, scheme: str) -> None:
    page = opened(report, width, scheme)
    page.execute_script("document.querySelector('details.session').open = true")
    for name in OF_THE_RUN:
        assert drawn(page, f"#{name} svg"), name
    for name in OF_A_SESSION:
        assert drawn(page, f"details.session[open] svg[aria-label^='{name}']"), name
    assert page.find_elements(By.CSS_SELECTOR, "table.heat td[style*='--v: 1.00']")
    assert len(page.find_elements(By.CSS_SELECTOR, "table.dots svg .reach")) >= 4
    for kind in ("told", "finding", "compaction"):
        assert page.find_elements(By.CSS_SELECTOR, f".strip .mark.{kind}"), kind
    assert page.execute_script("return document.scrollingElement.scrollWidth") <= width
    assert requested(page) == [report.as_uri()]
    assert complaints(page) == []


def drawn(page: webdriver.Chrome, selector: str) -> bool:
    """Whether there is a picture of some size, with a name that says what it shows."""
    pictures = page.find_elements(By.CSS_SELECTOR, selector)
    return bool(pictures) and all(
        one.size["height"] > 20 and one.size["width"] > 200 and len(one.get_attribute("aria-label") or "") > 20
        for one in pictures
    )


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core; npm install --prefix tests/browser")
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_no_serious_fault(opened: Open, report: Path, width: int, scheme: str) -> None:
    page = opened(report, width, scheme)
    page.execute_script("document.querySelector('details.session').open = true")
    assert serious(page) == []


def test_what_stands_out_comes_before_all_else_and_leads_there(opened: Open, report: Path) -> None:
    page = opened(report)
    headings = [one.text for one in page.find_elements(By.TAG_NAME, "h2")]
    assert headings[:2] == ["Sessions to review", "Charts"]
    assert headings[-1] == "Settings and provenance"
    first = page.find_element(By.CSS_SELECTOR, ".looks a")
    assert first.text == "persona-0-000"
    first.click()
    assert page.find_element(By.CSS_SELECTOR, "details.session .said").is_displayed()
    assert "1 of 14 failed" in page.find_element(By.CSS_SELECTOR, ".gates").text


def shown_rows(page: webdriver.Chrome) -> list[str]:
    """Ids of the sessions in the table."""
    found: list[str] = page.execute_script(
        "return [...document.querySelectorAll('#table tbody:not([hidden]) tr:not([hidden]) a')].map(link => link.textContent)"
    )
    return found


def test_the_sessions_of_a_persona_are_no_others(opened: Open, tmp_path: Path) -> None:
    """Of `p-1` not those of `p-10`, as a search finds them."""
    page = opened(write_report(rich_run(tmp_path / "run", personas=("p-1", "p-10"), repeats=2)))
    page.find_element(By.CSS_SELECTOR, "a[data-search='p-1']").click()
    assert shown_rows(page) == ["p-1-000", "p-1-001"]
    page.find_element(By.ID, "search").send_keys("0")
    assert shown_rows(page) == ["p-10-000", "p-10-001"]


def test_a_link_to_a_filter_works_again_after_a_search(opened: Open, report: Path) -> None:
    page = opened(report)
    link = page.find_element(By.CSS_SELECTOR, ".totals a[href='#only-loop']")
    link.click()
    page.find_element(By.ID, "search").send_keys("nobody")
    assert shown_rows(page) == []
    link.click()
    assert len(shown_rows(page)) == int(link.text)


def test_a_count_of_loops_leads_to_the_sessions_with_a_loop(opened: Open, report: Path) -> None:
    page = opened(report)
    link = page.find_element(By.CSS_SELECTOR, ".totals a[href='#only-loop']")
    expected = int(link.text)
    link.click()
    assert len(shown_rows(page)) == expected > 0
    assert all("loop" in row.text for row in page.find_elements(By.CSS_SELECTOR, "#table tbody tr:not([hidden])"))
    Select(page.find_element(By.ID, "only")).select_by_value("")
    assert len(shown_rows(page)) == 14


def test_a_link_given_to_somebody_else_opens_the_same(opened: Open, report: Path) -> None:
    assert 0 < len(shown_rows(opened(report, fragment="#only-role_break"))) < 14
    page = opened(report, fragment="#t-persona-2-001-7")
    turn = page.find_element(By.ID, "t-persona-2-001-7")
    assert turn.is_displayed()
    assert page.execute_script("return arguments[0].getBoundingClientRect().top < innerHeight", turn)


def test_the_table_is_searched_and_sorted(opened: Open, report: Path) -> None:
    page = opened(report)
    page.find_element(By.ID, "search").send_keys("PERSONA-3")
    assert shown_rows(page) == ["persona-3-000", "persona-3-001"]
    page.find_element(By.ID, "search").clear()
    page.find_element(By.ID, "search").send_keys(" ")
    heads = page.find_elements(By.CSS_SELECTOR, "#table th button")
    names = [(head.get_attribute("textContent") or "").strip() for head in heads]
    heads[names.index("Session")].send_keys("\n")
    assert shown_rows(page) == sorted(shown_rows(page))
    heads[names.index("Session")].click()
    assert shown_rows(page) == sorted(shown_rows(page), reverse=True)
    heads[names.index("Trust")].click()
    place = names.index("Trust")  # the first cell of a row is its heading
    cells = page.find_elements(By.CSS_SELECTOR, f"#table tbody td:nth-of-type({place})")
    values = [float(cell.text) for cell in cells]
    assert values == sorted(values, reverse=True)


def test_what_a_judge_quoted_is_marked_where_it_was_said(opened: Open, report: Path) -> None:
    page = opened(report, fragment="#s-persona-0-000")
    said = [mark.text for mark in page.find_elements(By.CSS_SELECTOR, "details[open] mark")]
    assert said == [QUOTE, RISK]


def test_state_note_and_view_stand_beside_the_turn(opened: Open, report: Path) -> None:
    page = opened(report, fragment="#s-persona-0-000")
    turn = page.find_element(By.ID, "t-persona-0-000-8")
    assert "trust 0.42" in turn.text
    assert "out of view: 4 turns (2 to 5)" in turn.text
    assert "compaction (hybrid): 4 turns left the patient's view, 1,900 to 1,200 tokens" in turn.text
    turn.find_element(By.CSS_SELECTOR, ".note summary").click()
    assert "Sent by the sister" in turn.text


def test_the_command_for_a_prompt_is_copied(opened: Open, report: Path) -> None:
    page = opened(report, fragment="#s-persona-0-000")
    page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    button = page.find_element(By.CSS_SELECTOR, "#t-persona-0-000-3 .copy")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    until = time.monotonic() + 5
    while button.text != "Copied" and time.monotonic() < until:
        time.sleep(0.05)
    page.execute_script("document.querySelector('#search').scrollIntoView({block: 'center'})")
    field = page.find_element(By.ID, "search")
    field.send_keys("\ue009v\ue000")  # control and v
    assert field.get_attribute("value") == f"python -m harness show {report.parent} persona-0-000 --turn 3"


def test_it_prints_all_its_sessions(opened: Open, report: Path) -> None:
    page = opened(report)
    page.find_element(By.ID, "search").send_keys("persona-3")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = page.execute_script(
        "return [...document.querySelectorAll('#table tbody tr')].filter(row => !row.offsetHeight).length"
    )
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert hidden == 0


def test_two_thousand_sessions_stay_small_and_open_fast(opened: Open, tmp_path: Path) -> None:
    names = [f"patient-{number:02}" for number in range(50)]
    path = write_report(rich_run(tmp_path / "run", personas=names, repeats=40, exchanges=12))
    assert path.stat().st_size < 5_000_000
    took = []
    for _ in range(3):  # the machine may be busy with other things; the page is not
        page = opened(path)
        took.append(page.execute_script("return performance.getEntriesByType('navigation')[0].domComplete"))
    assert min(took) < 2_000
    assert "2000 of 2000 sessions" in page.find_element(By.ID, "count").text
    assert len(shown_rows(page)) == 200
    page.find_element(By.ID, "all").click()
    assert len(shown_rows(page)) == 2000
    page.find_element(By.ID, "search").send_keys("patient-37-020")
    page.find_element(By.LINK_TEXT, "patient-37-020").click()
    beside = path.parent / "transcripts" / "patient-37-020.html"
    assert page.current_url == beside.as_uri()
    assert len(page.find_elements(By.CSS_SELECTOR, "article.turn .said")) == 24


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of more sessions than it has room for; the first one failed its gate."""
    names = [f"persona-{number:02}" for number in range(9)]
    return write_report(rich_run(tmp_path_factory.mktemp("large") / "run", personas=names, repeats=8))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_session_without_room_has_a_page_that_looks_like_the_report(
    opened: Open, large: Path, width: int, scheme: str
) -> None:
    page = opened(large, width, scheme)
    behind = page.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    link = page.find_element(By.CSS_SELECTOR, "#table a[href^='transcripts/']")
    name = link.text
    page.execute_script("arguments[0].click()", link)
    beside = large.parent / "transcripts" / f"{name}.html"
    assert page.current_url == beside.as_uri()
    assert page.execute_script("return getComputedStyle(document.documentElement).backgroundColor") == behind
    for chart in OF_A_SESSION:
        assert drawn(page, f"svg[aria-label^='{chart}']"), chart
    assert len(page.find_elements(By.CSS_SELECTOR, ".turn .said")) == 16
    assert page.find_element(By.CSS_SELECTOR, ".turn mark").text == QUOTE
    assert page.find_elements(By.CSS_SELECTOR, ".turn button.copy:not([hidden])")
    assert page.execute_script("return document.scrollingElement.scrollWidth") <= width
    assert set(requested(page)) == {large.as_uri(), beside.as_uri()}
    assert complaints(page) == []
    if AXE.exists():
        assert serious(page) == []


def test_pages_lead_to_each_other_to_the_table_and_to_single_turns(opened: Open, large: Path) -> None:
    folder = large.parent / "transcripts"
    names = sorted(path.stem for path in folder.glob("*.html"))
    assert len(names) == 72 - 40
    page = opened(folder / f"{names[0]}.html", fragment=f"#t-{names[0]}-9")
    turn = page.find_element(By.ID, f"t-{names[0]}-9")
    assert 0 <= page.execute_script("return arguments[0].getBoundingClientRect().top", turn) < 900
    page.find_element(By.CSS_SELECTOR, "a[rel=next]").click()
    assert page.find_element(By.TAG_NAME, "h1").text > names[0]
    page.find_element(By.CSS_SELECTOR, "a[rel=prev]").click()
    assert page.find_element(By.TAG_NAME, "h1").text == names[0]
    page.find_element(By.LINK_TEXT, "All sessions").click()
    assert page.current_url == f"{large.as_uri()}#sessions"


def test_a_session_that_finds_room_again_has_no_page_left(tmp_path: Path) -> None:
    path = rich_run(tmp_path / "run", personas=("a", "b"), repeats=1)
    stale = path / "transcripts" / "a-000.html"
    stale.write_text("of an earlier report", encoding="utf-8")
    write_report(path)
    assert not stale.exists()
    assert (path / "transcripts" / "a-000.md").exists()
