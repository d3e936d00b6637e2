"""Takes a screenshot of a page at desktop size: picture.py PAGE[#FRAGMENT] PNG."""

import shutil
import sys
from pathlib import Path

from selenium import webdriver

SIZE = "--window-size=1280,900"
FLAGS = (SIZE, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")


def main(page: str, png: str) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in FLAGS:
        options.add_argument(flag)
    path, _, fragment = page.partition("#")
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver") or "")) as driver:
        driver.get(f"{Path(path).resolve().as_uri()}#{fragment}")
        driver.save_screenshot(png)


if __name__ == "__main__":
    main(*sys.argv[1:])
