"""Deterministic measures of sessions and runs. Definitions and sources: docs/metrics.md."""

from harness.metrics.aggregate import RunMetrics, run_metrics
from harness.metrics.retention import Retention, retention
from harness.metrics.session import METRICS_VERSION, session_metrics

__all__ = ["METRICS_VERSION", "Retention", "RunMetrics", "retention", "run_metrics", "session_metrics"]
