"""axe-core, which looks for what people with disabilities trip over: npm install --prefix tests/browser."""

from pathlib import Path

from selenium import webdriver

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document).then(found => done([
  found.passes.length,
  found.violations
    .filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(' | ')}`),
]));
"""


def serious(page: webdriver.Chrome) -> list[str]:
    """The serious and critical faults of a page; it must have looked at something."""
    page.set_script_timeout(120)
    page.execute_script(AXE.read_text(encoding="utf-8"))
    passed, faults = page.execute_async_script(_RUN)
    assert passed > 15
    found: list[str] = faults
    return found
