#!/usr/bin/env python
"""What tables cost: turns and MB per second to Parquet, peak memory, and the time of one SQL query over them. No model.

    python scripts/bench/export.py [--turns 100000] [--json FILE]

A run folder with that number of turns is made first (texts of the dry engine, a state for each patient turn, an event for every
tenth turn). The export runs in a process of its own, so that only its memory is measured.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.config.compose import load
from harness.engines.dry.phrases import sentences
from harness.exports.job import Job
from harness.exports.runs import ExportedRun
from harness.exports.sql import ask
from harness.exports.tables import parquet
from harness.store.provenance import collect
from harness.store.records import RunRecord, RunStatus, Totals

TURNS = 40
"""Per session."""
QUESTION = "select persona_id, speaker, count(*), avg(completion_tokens), max(evicted_turns) from turns group by 1, 2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--export", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.export:
        print(json.dumps(export(*args.export)))
        return
    with tempfile.TemporaryDirectory() as folder:
        run, out = Path(folder) / "run", Path(folder) / "tables"
        size = make(run, args.turns)
        done = subprocess.run(
            [sys.executable, __file__, "--export", str(run), str(out)], check=True, capture_output=True, text=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        began = time.perf_counter()
        answer = ask([out], QUESTION)
        found |= {
            "turns": args.turns,
            "mb": round(size / 1e6, 1),
            "mb_per_s": round(size / 1e6 / found["seconds"], 1),
            "turns_per_s": round(args.turns / found["seconds"]),
            "parquet_mb": round(sum(path.stat().st_size for path in out.iterdir()) / 1e6, 1),
            "group_by_s": round(time.perf_counter() - began, 3),
            "groups": len(answer.rows),
        }
    print(json.dumps(found, indent=1))
    print(f"10 million turns, extrapolated: {1e7 / found['turns_per_s'] / 60:.0f} min, in the same memory")
    if args.json:
        args.json.write_text(json.dumps(found))


def export(run: Path, out: Path) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, cpu = time.perf_counter(), time.process_time()
    parquet(Job([ExportedRun(run)], out))
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "memory_before_mb": round(before),
        "most_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def make(run: Path, turns: int) -> int:
    """Write a finished run folder; returns the size of its sessions.jsonl in bytes."""
    run.mkdir()
    config = load(["engine=dry"]).model_dump(mode="json")
    sessions = -(-turns // TURNS)
    record = RunRecord(
        name="bench", status=RunStatus.FINISHED, started_at=datetime(2026, 1, 1, tzinfo=UTC), config=config, config_hash="",
        persona_hashes={}, provenance=collect(), totals=Totals(sessions=sessions, finished=sessions),
    )  # fmt: skip
    (run / "run.json").write_text(record.model_dump_json())
    draw, texts = Random(0), sentences()
    with (run / "sessions.jsonl").open("wb") as file:
        for number in range(sessions):
            file.write(orjson.dumps(session(number, draw, texts), option=orjson.OPT_APPEND_NEWLINE))
    return (run / "sessions.jsonl").stat().st_size


def session(number: int, draw: Random, texts: tuple[str, ...] | list[str]) -> dict[str, Any]:
    state = {"trust": 0.3, "hope": 0.2, "distress": 0.7, "openness": 0.2, "overwhelm": 0.3}
    said = [
        {
            "index": index,
            "speaker": ("patient", "therapist")[index % 2],
            "text": " ".join(draw.choices(texts, k=4)),
            **dict.fromkeys(("prompt_tokens", "cached_tokens", "max_new_tokens", "evicted_turns", "summary_tokens"), 7),
            "completion_tokens": draw.randint(5, 90),
            "max_model_len": 8192,
            "finish_reason": "stop",
            "latency_s": 0.5,
            **({} if index % 2 else {"patient_state": state}),
        }
        for index in range(TURNS)
    ]
    used = dict.fromkeys(("prompt_tokens", "cached_tokens", "completion_tokens", "latency_s"), 100)
    return {
        "session_id": f"s-{number:06d}",
        "persona_id": f"p-{number % 38}",
        "seed": number,
        "source": "simulated",
        "stop_reason": "max_exchanges",
        "turns": said,
        "usage": {"patient": used, "therapist": used},
        "events": [
            {"kind": "compaction", "turn": i, "speaker": "therapist", "left": [0, 1]} for i in range(0, TURNS, 10)
        ],
        "metrics": {"therapist": {"question_rate": 0.4, "words_per_turn": 31.0}},
    }


if __name__ == "__main__":
    main()
