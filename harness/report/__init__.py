"""report.html of a run and of a sweep: self-contained, readable offline, everything escaped."""

from harness.report.compared import comparison_page
from harness.report.sweep import write_sweep_report
from harness.report.write import write_report

__all__ = ["comparison_page", "write_report", "write_sweep_report"]
