"""`parquet`: sessions, turns, events and scores as tables, written while they are read, so that memory is bounded.

sessions.parquet also has the columns of a transcript that Inspect Scout reads (`transcript_id`, `messages`,
`source_type`, `source_id`, `source_uri`, `score`).
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from harness.errors import ConfigError
from harness.exports.files import make_folder
from harness.exports.job import Job, Written, exporter
from harness.exports.runs import ExportedRun
from harness.paths import install_command
from harness.store.files import json_lines, storage_error

if TYPE_CHECKING:
    import pyarrow

ROWS = 20_000
"""Most rows of a table in memory."""
TABLES: Mapping[str, Mapping[str, str]] = {
    "sessions": {
        **dict.fromkeys(("transcript_id", "session_id", "run", "persona_id"), "string"),
        "seed": "int64",
        **dict.fromkeys(
            ("source", "stop_reason", "course", "branch_session", "config_hash", "model", "licence"), "string"
        ),
        **dict.fromkeys(("number", "branch_turn", "branch_variant", "turns"), "int32"),
        **dict.fromkeys(("prompt_tokens", "cached_tokens", "completion_tokens"), "int64"),
        **dict.fromkeys(("metrics", "meta", "messages", "source_type", "source_id", "source_uri", "score"), "string"),
    },
    "turns": {
        **dict.fromkeys(("session_id", "run", "persona_id"), "string"),
        "index": "int32",
        **dict.fromkeys(("speaker", "text"), "string"),
        **dict.fromkeys(
            ("prompt_tokens", "cached_tokens", "completion_tokens", "max_new_tokens", "max_model_len"), "int32"
        ),
        "finish_reason": "string",
        "latency_s": "float64",
        **dict.fromkeys(("evicted_turns", "summary_tokens"), "int32"),
        **dict.fromkeys(("trust", "hope", "distress", "openness", "overwhelm"), "float64"),
    },
    "events": {
        **dict.fromkeys(("session_id", "run", "persona_id", "kind"), "string"),
        "turn": "int32",
        **dict.fromkeys(("speaker", "data"), "string"),
    },
    "scores": {
        **dict.fromkeys(("session_id", "run", "persona_id", "rubric", "item", "judge"), "string"),
        **dict.fromkeys(("revision", "repeat", "order", "turn"), "int32"),
        **dict.fromkeys(("status", "answer"), "string"),
        "value": "float64",
        "reason": "string",
    },
}
"""Columns with their types, by table."""
_COUNTED = ("prompt_tokens", "cached_tokens", "completion_tokens")
Record = dict[str, Any]


@exporter("parquet")
def parquet(job: Job) -> Written:
    """Write all four tables."""
    make_folder(job.out)
    return write_tables(job.runs, job.out)


def write_tables(runs: Sequence[ExportedRun], out: Path) -> Written:
    """Write the tables of runs to a folder. Raises `StorageError`, and `ConfigError` if pyarrow is missing."""
    written = Written()
    try:
        with ExitStack() as stack:
            tables = {name: stack.enter_context(_Table(out / f"{name}.parquet", name)) for name in TABLES}
            for run in runs:
                _fill(run, tables)
        written.files = {f"{name}.parquet": table.rows for name, table in tables.items()}
    except OSError as error:
        raise storage_error(out, "write", error, "choose another folder") from error
    return written


class _Table:
    """One table that is being written."""

    def __init__(self, path: Path, name: str) -> None:
        arrow, parquet = _pyarrow()
        types = {"string": arrow.string(), "int32": arrow.int32(), "int64": arrow.int64(), "float64": arrow.float64()}
        self._schema: pyarrow.Schema = arrow.schema([(column, types[kind]) for column, kind in TABLES[name].items()])
        self._arrow = arrow
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._columns: dict[str, list[Any]] = {column: [] for column in TABLES[name]}
        self._waiting = 0
        self.rows = 0

    def add(self, record: Mapping[str, Any]) -> None:
        for column, values in self._columns.items():
            values.append(record.get(column))
        self._waiting += 1
        if self._waiting == ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_batch(self._arrow.RecordBatch.from_pydict(self._columns, schema=self._schema))
            self.rows += self._waiting
            self._waiting = 0
            for values in self._columns.values():
                values.clear()

    def __enter__(self) -> "_Table":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(f"parquet: needs pyarrow; {install_command('parquet')}") from error
    return pyarrow, pyarrow.parquet


def _fill(run: ExportedRun, tables: Mapping[str, _Table]) -> None:
    name, personas = run.path.name, {}
    for line in json_lines(run.path / "sessions.jsonl"):
        common = {"session_id": line["session_id"], "run": name, "persona_id": line["persona_id"]}
        personas[line["session_id"]] = line["persona_id"]
        tables["sessions"].add(common | _session(run, line))
        for turn in line["turns"]:
            tables["turns"].add(common | turn | (turn.get("patient_state") or {}))
        for event in line["events"]:
            rest = {key: value for key, value in event.items() if key not in ("kind", "turn", "speaker")}
            tables["events"].add({**common, **event, "data": orjson.dumps(rest).decode()})
    for line in json_lines(run.path / "scores.jsonl"):
        common = {"run": name, "persona_id": personas.get(line.get("session_id"))}
        for score in (line, *({**line, **turn} for turn in line.get("turns") or ())):
            tables["scores"].add(score | common)


def _session(run: ExportedRun, line: Record) -> Record:
    branch: Record = line.get("branch") or {}
    model = run.record.provenance.models.get("therapist")
    used = line["usage"].values()
    judged = run.judged.get(line["session_id"])
    return {
        "transcript_id": f"{run.path.name}/{line['session_id']}",
        "seed": line["seed"],
        "source": line.get("source", "simulated"),
        "stop_reason": line["stop_reason"],
        "course": line.get("course"),
        "number": line.get("number"),
        "branch_session": branch.get("session_id"),
        "branch_turn": branch.get("turn"),
        "branch_variant": branch.get("variant"),
        "config_hash": run.record.config_hash,
        "model": model.path.rsplit("/", 1)[-1] if model else None,
        "licence": (line.get("meta") or {}).get("licence"),
        "turns": len(line["turns"]),
        **{key: _sum([of_speaker[key] for of_speaker in used]) for key in _COUNTED},
        "metrics": orjson.dumps(line["metrics"]).decode(),
        "meta": orjson.dumps(line.get("meta") or {}).decode(),
        "messages": orjson.dumps(messages(line["turns"])).decode(),
        "source_type": "therapist-harness",
        "source_id": run.path.name,
        "source_uri": str(run.path / "sessions.jsonl"),
        "score": orjson.dumps(judged.session).decode() if judged else None,
    }


def _sum(counts: Sequence[int | None]) -> int | None:
    """The sum; None if an engine did not report one of them."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def messages(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A session as chat messages, the therapist as the assistant."""
    roles = {"patient": "user", "therapist": "assistant"}
    return [{"role": roles[turn["speaker"]], "content": turn["text"]} for turn in turns]
