"""metrics.json of a run folder, computed from its sessions.jsonl."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from harness.errors import StorageError
from harness.metrics.aggregate import run_metrics
from harness.metrics.session import METRICS_VERSION, session_metrics
from harness.store.files import storage_error, write_whole
from harness.store.records import read_record, read_sessions, turn_fields


def write_metrics(run_dir: Path) -> dict[str, Any]:
    """Write metrics.json and return its content. Raises `StorageError` where the folder holds no run."""
    read_record(run_dir)
    metrics = run_metrics(_lines(run_dir / "sessions.jsonl"), _count_lines(run_dir / "failures.jsonl"))
    path = run_dir / "metrics.json"
    try:
        write_whole(path, orjson.dumps(metrics, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise storage_error(path, "write", error, "what stands there is whole") from error
    return metrics


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Lines with their metrics; a line without them, or of an older version, is measured again (without retention)."""
    if not path.exists():
        return
    for session in read_sessions(path):
        metrics = session.metrics
        if metrics.get("metrics_version") != METRICS_VERSION:
            metrics = session_metrics(session.turns, session.events, session.stop_reason)
        yield {
            "persona_id": session.persona_id,
            "stop_reason": session.stop_reason,
            "turns": [turn_fields(turn) for turn in session.turns],
            "metrics": metrics,
        }


def _count_lines(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with path.open("rb") as file:
            return sum(bool(line.strip()) for line in file)
    except OSError as error:
        raise StorageError(f"{path}: can't be read: {error.strerror or error}") from error
