"""Sessions for which the report has no room: a page of its own for each, beside its transcript, in the report's looks.

Invariant: of the sessions one is in memory at a time.
"""

from harness.errors import StorageError
from harness.guard.findings import FINDINGS
from harness.report import page
from harness.report.data import Report, sessions
from harness.report.quotes import marked
from harness.report.shown import shown
from harness.report.words import quoted
from harness.store.files import storage_error


def write_beside(report: Report) -> None:
    """Write the pages of `report.beside`, and remove what an earlier report left of others. Raises `StorageError`."""
    folder = report.path / "transcripts"
    try:
        if folder.is_symlink():  # in a folder from elsewhere it may lead to files of the user's
            raise StorageError(f"{folder}: is a link, not a folder; nothing is written there")
        if report.beside:
            folder.mkdir(exist_ok=True)
        for session_id in report.inline:
            (folder / f"{session_id}.html").unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(folder, "write pages", error, "mend that, then: python -m harness report") from error
    if not report.beside:
        return
    rows = [row for row in report.rows if row.session_id in report.beside]
    at = {row.session_id: number for number, row in enumerate(rows)}
    links = ["", *(f"{quoted(row.session_id)}.html" for row in rows), ""]
    for session in sessions(report.path):
        number = at.get(session.session_id)
        if number is not None:
            html = page.render(
                "session_page.html.jinja",
                report=report,
                shown=shown(session, rows[number]),
                before=links[number],
                after=links[number + 2],
                marked=marked,
                command=page.command,
                findings=FINDINGS,
            )
            page.put(folder / f"{session.session_id}.html", html)
