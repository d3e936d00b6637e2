"""report.html of a run and of a sweep: self-contained, readable offline, everything escaped."""
