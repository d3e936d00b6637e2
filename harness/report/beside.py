"""Writes a page for each session that failed or does not fit into the report, in the folder of its transcript.

Invariant: only one session at a time is in memory.
"""

from harness.errors import StorageError
from harness.guard.findings import FINDINGS
from harness.report import page
from harness.report.data import Report, sessions
from harness.report.quotes import marked
from harness.report.rows import row_of
from harness.report.shown import Shown, shown
from harness.report.words import quoted
from harness.store.files import storage_error
from harness.store.records import FailureRecord


def write_beside(report: Report) -> None:
    """Write the pages of `report.beside` and of failed sessions; remove those of sessions that are now in the report.

    Raises `StorageError`.
    """
    folder = report.path / "transcripts"
    try:
        if folder.is_symlink():  # in a folder from elsewhere, a link could lead to files of the user
            raise StorageError(f"{folder}: is a link, not a folder; nothing was written")
        if report.beside or report.failures:
            folder.mkdir(exist_ok=True)
        for session_id in report.inline:
            (folder / f"{session_id}.html").unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(folder, "write pages", error, "mend that, then: python -m harness report") from error
    rows = [row for row in report.rows if row.session_id in report.beside]
    at = {row.session_id: number for number, row in enumerate(rows)}
    links = ["", *(f"{quoted(row.session_id)}.html" for row in rows), ""]
    for session in sessions(report.path) if rows else ():
        number = at.get(session.session_id)
        if number is not None:
            _write(report, shown(session, rows[number]), before=links[number], after=links[number + 2])
    for failure in report.failures:
        _write(report, shown(failure, row_of(failure)), failure=failure)


def _write(
    report: Report, one: Shown, *, before: str = "", after: str = "", failure: FailureRecord | None = None
) -> None:
    html = page.render(
        "session_page.html.jinja",
        report=report,
        shown=one,
        failure=failure,
        before=before,
        after=after,
        marked=marked,
        command=page.command,
        findings=FINDINGS,
    )
    page.put(report.path / "transcripts" / f"{one.row.session_id}.html", html)
