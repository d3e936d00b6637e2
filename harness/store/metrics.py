"""Computes metrics.json of a run folder from its sessions.jsonl."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from harness.errors import HarnessError
from harness.guard.findings import FINDINGS
from harness.metrics.aggregate import SUMS, run_metrics
from harness.metrics.session import METRICS_VERSION, measured_again
from harness.store.archive import Archive
from harness.store.files import count_lines, storage_error, write_whole
from harness.store.lines import turn_fields
from harness.store.records import SessionRecord, read_record, read_sessions

_log = logging.getLogger(__name__)


Amend = Callable[[SessionRecord], Mapping[str, Any]]
"""Returns the metrics of a session with later results, such as the judges' verdict on its patient."""


def write_metrics(run_dir: Path, *, trusted: bool = False, amend: Amend | None = None) -> dict[str, Any]:
    """Write metrics.json and return its content. Raises `StorageError` if the folder holds no run.

    `amend` adds later results to the metrics of a session.
    `trusted`: code that comes with the run's models may run to rebuild a prompt.
    """
    read_record(run_dir)
    metrics = run_metrics(_lines(run_dir, trusted, amend), count_lines(run_dir / "failures.jsonl"))
    path = run_dir / "metrics.json"
    try:
        write_whole(path, orjson.dumps(metrics, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise storage_error(path, "write", error, "the old file is intact") from error
    return metrics


def _lines(run_dir: Path, trusted: bool, amend: Amend | None) -> Iterator[dict[str, Any]]:
    """Lines with metrics; a line without them, or with those of an older version, is measured again."""
    path = run_dir / "sessions.jsonl"
    if not path.exists():
        return
    views = _FinalViews(run_dir, trusted)
    for session in read_sessions(path):
        metrics = session.metrics
        if not _are_current(metrics):
            told = (session.turns, session.events, session.stop_reason)
            known = metrics.get("retention") is not None  # its definition is that of all versions so far
            view = None if known else views.of(session.session_id)
            metrics = measured_again(*told, metrics, final_view=view)
        yield {
            "persona_id": session.persona_id,
            "stop_reason": session.stop_reason,
            "turns": [turn_fields(turn) for turn in session.turns],
            "metrics": metrics if amend is None else amend(session.model_copy(update={"metrics": metrics})),
        }


def _are_current(metrics: Mapping[str, Any]) -> bool:
    """Whether metrics are of this version and complete."""
    parts = [metrics.get(name) for name in ("patient", "therapist", "guard", "usage")]
    parts += [metrics["course"]] if metrics.get("course") is not None else []  # a replayed patient has no state
    if not all(isinstance(part, Mapping) for part in parts) or type(metrics.get("compactions")) is not int:
        return False
    sums = [metrics["usage"].get(name) for name in (*SUMS, "longest_prompt")]
    found = [part for kind, part in metrics["guard"].items() if kind in FINDINGS and part]
    counted = all(isinstance(part, Mapping) and type(part.get("turns")) is int for part in found)
    whole = counted and all(type(value) in (int, float, type(None)) for value in sums)
    return whole and metrics.get("metrics_version") == METRICS_VERSION


class _FinalViews:
    """Rebuilds from the journal what the therapist's model saw last in each session."""

    def __init__(self, run_dir: Path, trusted: bool) -> None:
        self._run_dir = run_dir
        self._trusted = trusted
        self._archive: Archive | None = None

    def of(self, session_id: str) -> list[str] | None:
        """The texts of the last view; None, with a warning, without the journal or the run's tokenizer."""
        try:
            self._archive = self._archive or Archive(self._run_dir, trusted=self._trusted)
            return self._archive.seen_last(session_id)
        except HarnessError as error:
            _log.warning("note: %s: no retention: %s", session_id, error)
            return None
