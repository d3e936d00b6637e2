"""The report in a real Chromium: it asks for nothing, runs nothing but its own script, and its links lead somewhere."""

import base64
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from harness.report import write_report
from harness.store.metrics import write_metrics
from tests.browser.conftest import Open, complaints, open_all, requested
from tests.fixtures.report_run import HOSTILE, run_folder


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two sessions of 40 turns and a failed one, whose every name and text tries to be markup."""
    folder = run_folder(tmp_path_factory.mktemp("report") / "run", (HOSTILE,) * 40, sessions=2, failure=HOSTILE)
    write_metrics(folder)
    return write_report(folder)


@pytest.fixture
def page(opened: Open, report: Path) -> webdriver.Chrome:
    """The report, just opened."""
    return opened(report)


def in_view(page: webdriver.Chrome, element: WebElement) -> bool:
    box = "const box = arguments[0].getBoundingClientRect(); return box.top > -1 && box.top < window.innerHeight"
    return bool(page.execute_script(box, element))


def test_it_asks_for_nothing_but_itself_and_the_console_stays_empty(page: webdriver.Chrome, report: Path) -> None:
    assert requested(page) == [report.as_uri()]
    assert complaints(page) == []


def test_text_that_is_written_like_markup_is_read_as_text(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "details.session > summary").click()
    said = page.find_element(By.CSS_SELECTOR, ".said")
    assert said.text == HOSTILE
    assert page.find_elements(By.CSS_SELECTOR, "main script, main img, main .said *") == []
    assert len(page.find_elements(By.TAG_NAME, "script")) == 1
    assert page.title == f"run {HOSTILE} · sessions"


def test_every_link_within_the_page_leads_to_what_it_names(page: webdriver.Chrome) -> None:
    all_links = page.find_elements(By.CSS_SELECTOR, "a[href^='#']:not(.skip)")
    links = [link for link in all_links if link.is_displayed()]
    assert len(links) >= 12  # sections, sessions, kinds of findings
    for link in links:
        page.execute_script("window.scrollTo(0, 0)")
        link.click()
        name = (link.get_attribute("href") or "").partition("#")[2]
        assert in_view(page, page.find_element(By.ID, name)), name


def test_a_session_in_the_table_opens_its_transcript(page: webdriver.Chrome) -> None:
    page.find_element(By.LINK_TEXT, "s-1").click()
    first, second = page.find_elements(By.CSS_SELECTOR, "details.session")
    assert [one.find_element(By.CSS_SELECTOR, ".said").is_displayed() for one in (first, second)] == [False, True]
    assert in_view(page, second.find_element(By.TAG_NAME, "summary"))


def test_a_link_to_a_transcript_leads_to_its_file(page: webdriver.Chrome, report: Path) -> None:
    page.find_element(By.LINK_TEXT, "transcript").click()
    assert page.current_url == (report.parent / "transcripts" / "s-failed.html").as_uri()
    assert HOSTILE in page.find_element(By.CSS_SELECTOR, "p.failure").text
    assert page.find_elements(By.CSS_SELECTOR, "main script, img, .said *, .failure script") == []


def test_a_transcript_opens_by_keyboard(page: webdriver.Chrome) -> None:
    summary = page.find_element(By.CSS_SELECTOR, "details.session > summary")
    assert not page.find_element(By.CSS_SELECTOR, ".said").is_displayed()
    summary.send_keys("\n")
    assert page.find_element(By.CSS_SELECTOR, ".said").is_displayed()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out_at_the_side(opened: Open, report: Path, width: int) -> None:
    """Also with every transcript open: a wide table scrolls within itself."""
    page = opened(report, width)
    open_all(page)
    assert page.execute_script("return window.innerWidth") == width
    assert page.execute_script("return document.scrollingElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(opened: Open, report: Path, scheme: str) -> None:
    """A contrast of at least 4.5 to 1, as WCAG 2.2 asks (success criterion 1.4.3), in both colour schemes."""
    page = opened(report, scheme=scheme)
    open_all(page)
    pairs = page.execute_script(
        """
        const behind = element => {
          for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (colour !== 'rgba(0, 0, 0, 0)') return colour;
          }
        };
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, node => node.data.trim() ? 1 : 2);
        const found = {};
        while (texts.nextNode()) {
          const element = texts.currentNode.parentElement;
          if (element.tagName === 'title' || element.tagName === 'SCRIPT') continue;  // not shown as text
          const style = getComputedStyle(element);
          const ink = element instanceof SVGElement ? style.fill : style.color;
          found[[ink, behind(element)].join(' on ')] = [ink, behind(element), element.className.toString() || element.tagName];
        }
        return Object.values(found);
        """
    )
    assert len(pairs) >= 5
    too_weak = {where: contrast(ink, paper) for ink, paper, where in pairs if contrast(ink, paper) < 4.5}
    assert too_weak == {}


def contrast(one: str, other: str) -> float:
    """Of two colours as the browser computed them, `rgb(r, g, b)`: the contrast ratio that WCAG 2.2 defines."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance, 0 to 1."""
    inner = colour.partition("(")[2].removesuffix(")")
    mixed = inner.startswith("srgb ")
    shares = [float(part) for part in inner.split()[1:4]] if mixed else [int(part) / 255 for part in inner.split(",")]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_on_paper_every_transcript_is_printed(page: webdriver.Chrome) -> None:
    """Closed ones too: they take as many pages as when they are open."""
    closed = pages(page)
    open_all(page)
    assert closed == pages(page) > 2


def pages(page: webdriver.Chrome) -> int:
    """Of the page as it is printed."""
    return base64.b64decode(page.print_page()).count(b"/Type /Page\n")
