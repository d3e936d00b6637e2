"""Texts in every field that reaches a page do nothing: not in HTML, not in SVG, not as a link, not as a script."""

from pathlib import Path

import orjson
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from harness.report import write_report, write_sweep_report
from harness.store.metrics import write_metrics
from tests.browser.conftest import Open, complaints, open_all, requested
from tests.fixtures.hostile import spoil, spoiled
from tests.fixtures.report_rich import rich_run, rich_sweep

ATTACKS = (
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=1'>",
    '"><svg onload="window.hacked=1"><a xlink:href="javascript:window.hacked=1">x</a>',
    "'; window.hacked=1; '</title></template></details><iframe src=javascript:parent.hacked=1>",
    "javascript:window.hacked=1//\u202e\x1b]0;x\x07\x00",
    "]]>--><style>*{display:none}</style>{{ 7 * 191 }}{% raw %}",
)


def harmless(page: webdriver.Chrome, path: Path) -> None:
    """Nothing ran, nothing was asked for, no element came of a text, and the rest of the page is there."""
    open_all(page)
    assert page.execute_script("return window.hacked") is None
    assert set(requested(page)) <= {path.as_uri()}
    assert complaints(page) == []
    assert page.find_elements(By.CSS_SELECTOR, "iframe, img, object, embed, base, style:not(head style)") == []
    assert len(page.find_elements(By.TAG_NAME, "script")) == 1
    links = [link.get_attribute("href") or "" for link in page.find_elements(By.CSS_SELECTOR, "a, svg a")]
    assert [link for link in links if not link.startswith("file:")] == []
    assert "1337" not in page.find_element(By.TAG_NAME, "body").text
    assert page.find_element(By.TAG_NAME, "footer").is_displayed()


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_a_run_does_anything(opened: Open, tmp_path: Path, attack: str) -> None:
    folder = rich_run(tmp_path / "run", personas=("a", "b", "c"), repeats=1)
    spoil(folder, attack)
    write_metrics(folder)
    path = write_report(folder)
    page = opened(path)
    assert len(page.find_elements(By.CSS_SELECTOR, "details.session")) == 3
    harmless(page, path)
    for link in page.find_elements(By.CSS_SELECTOR, ".looks a, #table a, a[data-search]"):
        link.click()
    harmless(page, path)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_a_session_does_anything_on_its_own_page(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    folder = rich_run(tmp_path / "run", personas=("a", "b", "c"), repeats=1)
    spoil(folder, attack)
    monkeypatch.setattr("harness.report.data.MOST_INLINE", 1)
    write_report(folder)
    pages = sorted((folder / "transcripts").glob("*.html"))
    assert len(pages) == 2
    for path in pages:
        harmless(opened(path), path)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_a_sweep_does_anything(opened: Open, tmp_path: Path, attack: str) -> None:
    folder = rich_sweep(tmp_path / "sweep", ("truncate", "hybrid"), personas=2)
    for run in ("p0", "p1"):
        path = folder / run / "sessions.jsonl"
        lines = [spoiled(orjson.loads(line), attack) for line in path.read_bytes().splitlines()]
        path.write_bytes(b"".join(orjson.dumps(line | {"seed": n}) + b"\n" for n, line in enumerate(lines)))
        record = orjson.loads((folder / run / "run.json").read_bytes())
        record["config"]["context"]["policy"] = f"{attack}{run}".replace("\0", "")
        (folder / run / "run.json").write_bytes(orjson.dumps(record))
    points = orjson.loads((folder / "sweep.json").read_bytes())
    for point in points["points"]:
        point |= {"settings": [attack], "error": attack}
    (folder / "sweep.json").write_bytes(orjson.dumps(points))
    path = write_sweep_report(folder)
    page = opened(path)
    harmless(page, path)
    page.execute_script("document.querySelector('#right').dispatchEvent(new Event('change'))")
    harmless(page, path)
