"""A real Chromium, whose logs say what a page asks for and what it complains about.

Needs Debian's packages chromium and chromium-driver, or Chrome with its driver, on the PATH.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1400,900"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
)
Open = Callable[..., webdriver.Chrome]


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    if not (BROWSER and DRIVER):
        pytest.skip("no Chromium with its driver on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as driver:
        yield driver


@pytest.fixture
def opened(chromium: webdriver.Chrome) -> Open:
    """Open a page as on a desk, or at a width and in a colour scheme; the logs begin with it."""

    def _open(path: Path, width: int = 0, scheme: str = "", fragment: str = "") -> webdriver.Chrome:
        features = [{"name": "prefers-color-scheme", "value": scheme}] if scheme else []
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        if width:
            # A window of Chromium can't be as narrow as a telephone; the page's own viewport can.
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": True}
            chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chromium.get("about:blank")
        for log in ("browser", "performance"):
            chromium.get_log(log)  # type: ignore[no-untyped-call]
        chromium.get(path.as_uri() + fragment)
        return chromium

    return _open


def requested(page: webdriver.Chrome) -> list[str]:
    """Addresses of everything that the page asked for since it was opened."""
    messages = (json.loads(entry["message"])["message"] for entry in page.get_log("performance"))  # type: ignore[no-untyped-call]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def complaints(page: webdriver.Chrome) -> list[str]:
    """What stands in the console."""
    return [entry["message"] for entry in page.get_log("browser")]  # type: ignore[no-untyped-call]


def open_all(page: webdriver.Chrome) -> None:
    """Every part that can be opened."""
    page.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
