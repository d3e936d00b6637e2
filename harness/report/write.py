"""Writes report.html of a run, a file that loads nothing else. Sessions beyond a bound get pages of their own."""

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
    """Write report.html of a run, and pages for sessions that do not fit; return its path. Raises `StorageError`."""
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
    """The channel of the reference: spoken if `patient.profile` says so for all patients, else typed."""
    return Channel.SPOKEN if "spoken" in str(report.role("patient").get("profile")) else Channel.TYPED
