"""Reads a run on disk as plain records or as data frames.

Invariant: nothing here holds a whole run in memory; records are read from disk on each access.
"""

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from harness.errors import StorageError
from harness.metrics.aggregate import numbers
from harness.reading.files import read_bytes
from harness.store.files import json_lines
from harness.store.lines import event_fields, turn_fields
from harness.store.records import RunRecord, RunStatus, SessionRecord, is_judged, read_record, read_sessions

Record = dict[str, Any]


class Records:
    """Records of one kind: iterate over them, or convert them to a data frame."""

    def __init__(self, read: Callable[[], Iterator[Record]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Record]:
        return self._read()

    def __len__(self) -> int:
        return sum(1 for _ in self._read())

    def __getitem__(self, index: int) -> Record:
        return list(self._read())[index]

    def df(self) -> Any:
        """A data frame of pandas, or of polars if only that is installed. Raises `ImportError` if neither is."""
        try:
            import pandas
        except ImportError:
            return self.polars()
        return pandas.DataFrame(list(self._read()))

    def polars(self) -> Any:
        """A data frame of polars. Raises `ImportError` if it isn't installed."""
        try:
            import polars
        except ImportError as error:
            raise ImportError("data frames need pandas or polars; pip install pandas") from error
        return polars.DataFrame(list(self._read()), infer_schema_length=None)


@dataclass(frozen=True)
class Run:
    """A run folder. Every access reads the present state from disk."""

    path: Path

    @property
    def record(self) -> RunRecord:
        """run.json."""
        return read_record(self.path)

    @property
    def status(self) -> str:
        """`finished`, `interrupted`, `failed`, or `running` (also of a run that was killed)."""
        return str(self.record.status)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 all sessions finished, 1 some or the judge failed, 130 interrupted."""
        record = self.record
        if record.status is RunStatus.INTERRUPTED:
            return 130
        if record.totals.failed or record.status is not RunStatus.FINISHED:
            return 1
        return 0 if is_judged(self.path) else 1

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The resolved settings."""
        return self.record.config

    def sessions(self) -> Records:
        """One record per finished session, with its metrics by dotted name and without its turns."""
        return Records(lambda: (_session(line) for line in self._lines()))

    def turns(self) -> Records:
        """One record per turn of a finished session: `session_id`, `persona_id`, and the turn's fields."""
        return Records(lambda: (_of(line) | _turn(turn) for line in self._lines() for turn in line.turns))

    def states(self) -> Records:
        """The patient's inner state, one record per patient turn that has one."""
        return Records(
            lambda: (
                _of(line) | {**turn.patient_state, "turn": turn.index}
                for line in self._lines()
                for turn in line.turns
                if turn.patient_state
            )
        )

    def events(self) -> Records:
        """Events: `kind`, `turn`, `speaker`, and the fields of the kind."""
        return Records(lambda: (_of(line) | event_fields(event) for line in self._lines() for event in line.events))

    def scores(self) -> Records:
        """The judges' scores: the lines of scores.jsonl; none if nobody judged."""
        return Records(lambda: json_lines(self.path / "scores.jsonl"))

    def turn_scores(self) -> Records:
        """The judges' scores of single turns: one record per turn, item, judge, repeat and order, of items about turns."""
        keys = ("session_id", "persona_id", "seed", "rubric", "item", "judge", "repeat", "order")
        return Records(
            lambda: (
                {key: line.get(key) for key in keys} | turn
                for line in json_lines(self.path / "scores.jsonl")
                for turn in line.get("turns") or ()
            )
        )

    def failures(self) -> Records:
        """Sessions that failed, with class and message of the error and the turns so far."""
        return Records(lambda: json_lines(self.path / "failures.jsonl"))

    def metrics(self) -> Mapping[str, Any]:
        """metrics.json. Raises `StorageError` if there is none yet."""
        path = self.path / "metrics.json"
        try:
            value: Mapping[str, Any] = orjson.loads(read_bytes(path))
        except (OSError, orjson.JSONDecodeError) as error:
            raise StorageError(
                f"{path}: can't be read: {error}; `python -m harness report --metrics` makes it"
            ) from error
        return value

    def _lines(self) -> Iterator[SessionRecord]:
        path = self.path / "sessions.jsonl"
        return read_sessions(path) if path.exists() else iter(())

    def _repr_html_(self) -> str:
        record = self.record
        totals = record.totals
        rows = {
            "status": record.status,
            "sessions": f"{totals.finished} of {totals.sessions}, {totals.failed} failed",
            "turns": totals.turns,
            "generated tokens": totals.completion_tokens,
            "therapist": (record.config.get("therapist") or {}).get("model", {}).get("path", "?"),
            "report": self.path / "report.html",
        }
        cells = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>'
            for name, value in rows.items()
        )
        return f"<table><caption>{html.escape(record.name)}</caption>{cells}</table>"


def _of(line: SessionRecord) -> Record:
    return {"session_id": line.session_id, "persona_id": line.persona_id, "seed": line.seed}


def _session(line: SessionRecord) -> Record:
    ours = {"stop_reason": str(line.stop_reason), "turns": len(line.turns)}
    return _of(line) | ours | {name: value for name, value in numbers(line.metrics) if name not in ours}


def _turn(turn: Any) -> Record:
    return {name: value for name, value in turn_fields(turn).items() if name != "patient_state"}


def open_run(path: Path | str) -> Run:
    """The run in a folder. Raises `StorageError` if there is none."""
    run = Run(Path(path).resolve())
    _ = run.record
    return run
