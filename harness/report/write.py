"""Writes report.html of a run: one file that asks for nothing; sessions beyond a bound have pages beside it."""

from pathlib import Path

import yaml

from harness.config.credentials import without
from harness.guard.findings import FINDINGS
from harness.personas.schema import Channel
from harness.report import fidelity, overview, page
from harness.report.beside import write_beside
from harness.report.data import MOST_FAILURES, MOST_ROWS, Report, load
from harness.report.personas import MOST_PERSONAS
from harness.report.quotes import marked
from harness.report.words import SPEECH


def write_report(run_dir: Path) -> Path:
    """Write report.html of a run folder, and pages beside it where it has no room; return its path. Raises `StorageError`."""
    report = load(run_dir)
    write_beside(report)
    return page.put(run_dir / "report.html", render(report))


def render(report: Report) -> str:
    """The page as HTML."""
    return page.render(
        "report.html.jinja",
        report=report,
        run=report.run,
        outcome=overview.outcome(report),
        looks=overview.looks(report),
        reasons=overview.reasons,
        figures=overview.figures(report),
        marked=marked,
        command=page.command,
        speech=SPEECH,
        settings=yaml.safe_dump(without(report.run.config), sort_keys=False, allow_unicode=True, width=100),
        most_rows=MOST_ROWS,
        most_failures=MOST_FAILURES,
        most_personas=MOST_PERSONAS,
        findings=FINDINGS,
        fidelity=fidelity.section(report.patients, _channel(report)),
        changed=fidelity.changed(report.metrics),
    )


def _channel(report: Report) -> Channel:
    """Of the people that the patients are laid beside: those who speak where all patients do, else those who type."""
    return Channel.SPOKEN if "spoken" in str(report.role("patient").get("profile")) else Channel.TYPED
