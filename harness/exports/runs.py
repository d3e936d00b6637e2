"""The runs of an export: their sessions one at a time, with scores of judges and labels of people."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.comparison.runs import run_folders
from harness.store.archive import Archive
from harness.store.files import json_lines
from harness.store.played import Played, read_played
from harness.store.records import RunRecord, read_record
from harness.types import Source


@dataclass(frozen=True, slots=True)
class Judged:
    """The judges' scores of one session."""

    session: Mapping[str, float] = field(default_factory=dict)
    """The mean over judges, repeats and orders that have a value, by RUBRIC.ITEM."""
    turns: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """The same by turn, for items about turns."""
    spread: Mapping[str, float] = field(default_factory=dict)
    """The standard error of that mean, by RUBRIC.ITEM; only if there are several values."""


@dataclass(frozen=True, slots=True)
class Marked:
    """People's labels of one session."""

    session: Mapping[str, Any] = field(default_factory=dict)
    turns: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


class ExportedRun:
    """A run folder to export from."""

    def __init__(self, path: Path) -> None:
        """Raises `StorageError` if the folder holds no run."""
        self.path = path
        self.record: RunRecord = read_record(path)

    @property
    def imported(self) -> bool:
        """Whether its sessions were imported."""
        return self.record.source is Source.IMPORTED

    @cached_property
    def archive(self) -> Archive:
        """The archive that rebuilds its prompts. Raises `StorageError` or `ConfigError`."""
        return Archive(self.path)

    def sessions(self) -> Iterator[Played]:
        """The finished sessions, in order of finishing."""
        return read_played(self.path)

    @cached_property
    def judged(self) -> Mapping[str, Judged]:
        """Keys are session ids."""
        return _judged(json_lines(self.path / "scores.jsonl"))

    @cached_property
    def marked(self) -> Mapping[str, Marked]:
        """Keys are session ids."""
        found: defaultdict[str, tuple[dict[str, Any], dict[int, dict[str, Any]]]] = defaultdict(lambda: ({}, {}))
        for line in json_lines(self.path / "labels.jsonl"):
            of_session, of_turns = found[str(line.get("session_id"))]
            labels = line.get("labels")
            turn = line.get("turn")
            if isinstance(labels, dict) and (turn is None or type(turn) is int):
                (of_session if turn is None else of_turns.setdefault(turn, {})).update(labels)
        return {name: Marked(*both) for name, both in found.items()}


def open_runs(paths: Sequence[Path]) -> list[ExportedRun]:
    """The runs of run folders and sweep folders, in order, each once. Raises `StorageError`."""
    folders = dict.fromkeys(folder.resolve() for path in paths for folder in run_folders(path))
    return [ExportedRun(folder) for folder in folders if (folder / "run.json").exists()]


def _judged(lines: Iterator[Mapping[str, Any]]) -> dict[str, Judged]:
    of_session: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    of_turn: defaultdict[str, defaultdict[int, defaultdict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for line in lines:
        name, session_id = f"{line.get('rubric')}.{line.get('item')}", str(line.get("session_id"))
        if line.get("status") == "ok" and isinstance(line.get("value"), int | float):
            of_session[session_id][name].append(float(line["value"]))
        turns = line.get("turns")
        for turn in turns if isinstance(turns, list) else ():
            if not isinstance(turn, dict) or type(turn.get("turn")) is not int:
                continue
            if turn.get("status") == "ok" and isinstance(turn.get("value"), int | float):
                of_turn[session_id][turn["turn"]][name].append(float(turn["value"]))
    return {
        session_id: Judged(
            _means(of_session[session_id]),
            {turn: _means(values) for turn, values in of_turn[session_id].items()},
            {name: error for name, values in of_session[session_id].items() if (error := _error(values)) is not None},
        )
        for session_id in of_session.keys() | of_turn.keys()
    }


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: sum(found) / len(found) for name, found in values.items()}


def _error(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)) ** 0.5)
