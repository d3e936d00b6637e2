"""Writes the run folder of imported sessions.

Invariant: the folder appears complete, or not at all.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.config.guard import GuardConfig
from harness.errors import ConfigError, StorageError, TranscriptError
from harness.guard.findings import FINDINGS
from harness.guard.guard import Guard
from harness.metrics.session import session_metrics
from harness.report.write import write_report
from harness.runs.imports import messages, table, text
from harness.runs.imports.sessions import Found, Layout
from harness.store.encoding import encode
from harness.store.files import storage_error, write_whole
from harness.store.identity import config_hash
from harness.store.metrics import write_metrics
from harness.store.outputs import check_writable, default_path
from harness.store.provenance import collect
from harness.store.records import RunRecord, RunStatus, Totals
from harness.store.run_dir import RunDir
from harness.types import Event, SessionResult, SessionSpec, Source, StopReason, Turn

FORMATS: Mapping[str, Callable[[Path, Layout], Iterator[Found]]] = {
    "text": text.read,
    "messages": messages.read_messages,
    "csv": table.read,
    "sharegpt": messages.read_sharegpt,
}
_SUFFIXES = {
    "text": (".txt",),
    "messages": (".json", ".jsonl"),
    "csv": (".csv", ".tsv"),
    "sharegpt": (".json", ".jsonl"),
}
LABELS = "labels.jsonl"


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import."""

    path: Path
    sessions: int
    turns: int
    merged: int
    """Number of utterances that were merged into the turn before."""
    labels: int
    """Number of turns and sessions with labels."""


def read_files(
    paths: Sequence[Path],
    form: str,
    layout: Layout,
    *,
    licence: str | None,
    source: str | None,
    persona: str | None = None,
) -> list[Found]:
    """The sessions of files (in a folder: all files of that format), with licence and source in `meta`.

    Raises `TranscriptError` with file and line.
    """
    found: list[Found] = []
    places: dict[str, str] = {}
    for path in _files(paths, form):
        for one in FORMATS[form](path, layout):
            if one.session_id in places:
                raise TranscriptError(
                    f"{one.place}: session {one.session_id} is already in {places[one.session_id]}; ids must differ"
                )
            places[one.session_id] = one.place
            found.append(_with_rights(one, path, licence, source, persona))
    return found


def write_folder(found: Sequence[Found], form: str, run_dir: Path | None, name: str) -> Imported:
    """Write the run folder of these sessions, with metrics and report. Raises `StorageError`."""
    now = datetime.now(UTC)
    if run_dir is not None:
        check_writable(run_dir)
        there = sorted(path.name for path in run_dir.iterdir()) if run_dir.exists() else []
        if there:
            raise StorageError(f"{run_dir}: holds other files ({there[0]}, ...); choose a new or empty folder")
    target = run_dir or default_path(name, now.astimezone())
    making = target.with_name(f".{target.name}.importing")
    try:
        shutil.rmtree(making, ignore_errors=True)
        counts = _fill(making, found, _record(found, form, name, now))
        (making / ".lock").unlink(missing_ok=True)
        if target.exists():
            target.rmdir()
        making.rename(target)
    except OSError as error:
        raise storage_error(target, "make the folder", error, "choose another folder") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Imported(target, len(found), *counts)


def _fill(path: Path, found: Sequence[Found], record: RunRecord) -> tuple[int, int, int]:
    turns = labelled = 0
    with RunDir.create(path, record) as folder:
        lines = []
        known: Counter[str] = Counter()
        for one in found:
            persona = one.persona or one.session_id
            result = _result(one, persona, known[persona])
            known[persona] += 1
            _keep(folder, result)
            turns += len(result.turns)
            marked = list(_labels(one))
            labelled += len(marked)
            lines += marked
        folder.end(RunStatus.FINISHED)
    write_whole(path / LABELS, b"".join(map(encode, lines)))
    (path / "scores.jsonl").touch()
    write_metrics(path)
    write_report(path)
    return turns, sum(one.merged for one in found), labelled


def _keep(folder: RunDir, result: SessionResult) -> None:
    session_id = result.spec.session_id
    folder.start_session(result.spec)
    for turn in result.turns:
        for event in result.events:
            if event.turn == turn.index:
                folder.record_event(session_id, event)
        folder.record_turn(session_id, turn, None)
    folder.finish_session(result, session_metrics(result.turns, result.events, result.stop_reason))


def _result(one: Found, persona: str, number: int) -> SessionResult:
    """The result of one session. Its seed only distinguishes the sessions of one persona."""
    spec = SessionSpec(one.session_id, persona, number, number, source=Source.IMPORTED, meta=dict(one.meta))
    turns = tuple(Turn(index, said.speaker, said.text) for index, said in enumerate(one.turns))
    return SessionResult(spec, StopReason.TRANSCRIPT_EXHAUSTED, turns, tuple(_events(turns, one.meta.get("language"))))


def _events(turns: Sequence[Turn], language: object) -> Iterator[Event]:
    """The guard's findings; it does not act on them."""
    guard = Guard(GuardConfig(), language if isinstance(language, str) else "en")
    for turn in turns:
        yield from (event for event in guard.observe(turn).events if event.kind in FINDINGS)


def _labels(one: Found) -> Iterator[dict[str, Any]]:
    """Lines of labels.jsonl: one for each turn with labels, and one for the session."""
    author = one.labels.get("author")
    common = {"session_id": one.session_id, "author": author, "source": Path(str(one.meta["file"])).name}
    for index, said in enumerate(one.turns):
        if said.labels:
            yield {**common, "turn": index, "speaker": said.speaker, "labels": said.labels}
    if rest := {name: value for name, value in one.labels.items() if name != "author"}:
        yield {**common, "turn": None, "speaker": None, "labels": rest}


def _record(found: Sequence[Found], form: str, name: str, now: datetime) -> RunRecord:
    settings = {
        "source": "imported",
        "import": {
            "format": form,
            "files": sorted({str(one.meta["file"]) for one in found}),
            "licences": sorted({str(one.meta["licence"]) for one in found}),
            "sources": sorted({str(one.meta["source"]) for one in found}),
        },
        "guard": GuardConfig().model_dump(mode="json"),
    }
    return RunRecord(
        name=name,
        status=RunStatus.RUNNING,
        started_at=now,
        config=settings,
        config_hash=config_hash(settings),
        persona_hashes={},
        provenance=collect(),
        totals=Totals(sessions=len(found)),
        source=Source.IMPORTED,
    )


def _with_rights(one: Found, path: Path, licence: str | None, source: str | None, persona: str | None) -> Found:
    meta = dict(one.meta)
    if meta.get("source") in list(Source) and isinstance(meta.get("rights"), str):  # a row of our own export
        meta["source"] = meta.pop("rights")
    for key, given, example in (("licence", licence, "CC-BY-4.0"), ("source", source, '"Where it is from"')):
        value = given if given is not None else meta.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(
                f"{one.place}: its {key} is missing; give --{key} {example} (or --{key} unknown): it is kept with every row"
            )
        meta[key] = value.strip()
    meta["file"] = str(path)
    return Found(one.session_id, one.place, one.turns, one.persona or persona, meta, one.labels, one.merged)


def _files(paths: Sequence[Path], form: str) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES[form])
        if not files:
            raise TranscriptError(f"{path}: no file of the format {form} ({', '.join(_SUFFIXES[form])}) in this folder")
        yield from files
