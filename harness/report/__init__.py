"""report.html of a run: self-contained, readable offline, everything escaped."""

from harness.report.write import write_report

__all__ = ["write_report"]
