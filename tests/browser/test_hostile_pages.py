"""Texts in every field that reaches a page do nothing: not in HTML, not in SVG, not as a link, not as a script."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from harness.report.sweep import write_sweep_report
from harness.report.write import write_report
from harness.store.metrics import write_metrics
from tests.browser.conftest import Open, complaints, open_all, requested
from tests.fixtures.report_rich import rich_run, rich_sweep

ATTACKS = (
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=1'>",
    '"><svg onload="window.hacked=1"><a xlink:href="javascript:window.hacked=1">x</a>',
    "'; window.hacked=1; '</title></template></details><iframe src=javascript:parent.hacked=1>",
    "javascript:window.hacked=1//\u202e\x1b]0;x\x07\x00",
    "]]>--><style>*{display:none}</style>{{ 7 * 191 }}{% raw %}",
)


def spoiled(value: Any, attack: str) -> Any:
    """Every text of a record that names nothing the reader must know."""
    if isinstance(value, dict):
        return {key: item if key in KEPT else spoiled(item, attack) for key, item in value.items()}
    if isinstance(value, list):
        return [spoiled(item, attack) for item in value]
    return attack if isinstance(value, str) else value


KEPT = (
    *(
        "kind",
        "session_id",
        "course",
        "source",
        "branch",
        "speaker",
        "stop_reason",
        "finish_reason",
        "status",
        "result",
        "severity",
        "verdict",
        "started_at",
    ),
    *("finished_at", "time", "config_hash", "folder", "state", "provenance", "engines", "metrics"),
)


def spoil(folder: Path, attack: str) -> None:
    """Put the attack into every text of a run folder's files."""
    for name in ("sessions.jsonl", "scores.jsonl", "gates.jsonl"):
        path = folder / name
        if path.exists():
            lines = [spoiled(orjson.loads(line), attack) for line in path.read_bytes().splitlines()]
            for line in lines:
                for event in line.get("events", ()):
                    event["because"] = event["policy"] = attack
            path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    run = orjson.loads((folder / "run.json").read_bytes())
    run |= {"name": attack, "config": spoiled(run["config"], attack.replace("\0", ""))}
    run["persona_hashes"] = {attack: attack}
    (folder / "run.json").write_bytes(orjson.dumps(run))
    certificate = folder / "certificate.json"
    if certificate.exists():
        judge = spoiled(orjson.loads(certificate.read_bytes())["judges"]["main"], attack)
        judge["warnings"] = [attack]
        certificate.write_bytes(orjson.dumps({"judges": {attack: judge}}))


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
