#!/usr/bin/env python
"""Runs all GPU benchmarks, each with its own time limit, and puts their results into one folder.

    python scripts/bench/gpu.py FOLDER [STEP ...] [--shape 8b] [--sessions 256 1000] [--limit SECONDS]
        [--multi-turn FOLDER] [--args '{"enforce_eager": true}']

Steps, in this order (default: all of them):

- doctor: `python -m harness doctor --json`.
- saturation: `saturation.py` for each number of sessions.
- before: the first number again, with 128 sequences and 2,048 tokens per step, the defaults of an in-process engine.
- context: `context.py`, prefill under truncate, hybrid and a sliding window.
- peers: `peers.py`, compared with `vllm serve`.

FOLDER gets a JSON file and a log for each step, and gpu.json with the exit codes. A step that is stopped at its limit
keeps the rounds it has finished. The default model has a shape and no weights, so that none have to be copied to the
machine; `--model` takes a real one. `--args` are vLLM engine arguments for all steps. The exit code is the highest of all
steps (see `machine.py`).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import shapes
from machine import FAILED, machine, write

BENCH = Path(__file__).resolve().parent
LIMITS = {"doctor": 60, "saturation": 240, "before": 240, "context": 180, "peers": 300}
"""Seconds per step."""
ALONE = {"max_num_seqs": 128, "max_num_batched_tokens": 2048}
"""Defaults of AsyncLLM without a usage context."""


def steps(options: argparse.Namespace) -> Iterator[tuple[str, str, list[str]]]:
    """Kind, name and command of each step."""
    given = json.loads(options.args)
    model = ["--model", str(options.model)] if options.model else ["--shape", options.shape]

    def command(script: str, name: str, sessions: int, args: Mapping[str, Any], *more: str) -> list[str]:
        wanted = [*model, "--sessions", str(sessions), "--exchanges", str(options.exchanges), "--rounds", "2"]
        result = ["--json", str(options.folder / f"{name}.json")]
        return [str(BENCH / script), *wanted, *result, *more, *overrides(args)]

    yield "doctor", "doctor", ["-m", "harness", "doctor", "--json"]
    for sessions in options.sessions:
        name = f"saturation-{sessions}"
        yield "saturation", name, command("saturation.py", name, sessions, given)
    first = options.sessions[0]
    yield "before", "before", command("saturation.py", "before", first, {**ALONE, **given})
    context = [*model, "--sessions", "64", "--exchanges", "24", "--repeats", "8", "--engine-args", options.args]
    yield "context", "context", [str(BENCH / "context.py"), *context, "--json", str(options.folder / "context.json")]
    client = ["--multi-turn", str(options.multi_turn.resolve())] if options.multi_turn else []
    yield "peers", "peers", command("peers.py", "peers", first, given, *client)


def overrides(arguments: Mapping[str, Any]) -> list[str]:
    """Engine arguments as settings of a run."""

    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return "{" + ",".join(f"{key}:{text(inner)}" for key, inner in value.items()) + "}"
        return json.dumps(value) if not isinstance(value, str) else value

    return [f"engine.args.{name}={text(value)}" for name, value in arguments.items()]


def played(command: Sequence[str], log: Path, limit: float) -> dict[str, Any]:
    """Run one step and end its process group, so that no process of it keeps GPU memory; returns how it ended."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(BENCH.parents[1]), environment.get("PYTHONPATH"))))
    began, late = time.monotonic(), False
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=stream, stderr=stream, env=environment, start_new_session=True
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            late = True
        end(process)
    return {"exit_code": process.returncode, "seconds": round(time.monotonic() - began, 1), "stopped_at_limit": late}


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the processes left in a step's process group."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        time.sleep(1.0)
    process.wait()


def main(options: argparse.Namespace) -> int:
    options.folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"benchmark": "gpu", "machine": machine(), "shape": options.shape, "steps": {}}
    for kind, name, command in steps(options):
        if options.steps and kind not in options.steps:
            continue
        print(f"{name}: {' '.join(command)}", flush=True)
        log = options.folder / f"{name}.log"
        result = played(command, log, options.limit or LIMITS[kind])
        found["steps"][name] = result
        print(log.read_text(errors="replace")[-1000:], f"{name}: {json.dumps(result)}", sep="\n", flush=True)
        write(options.folder / "gpu.json", found)
    codes = [FAILED if step["exit_code"] < 0 else step["exit_code"] for step in found["steps"].values()]
    return max(codes, default=FAILED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(LIMITS))
    parser.add_argument("--model", type=Path, help="a model folder instead of a shape")
    parser.add_argument("--shape", choices=shapes.SHAPES, default="8b")
    parser.add_argument("--sessions", type=int, nargs="+", default=[256, 1000])
    parser.add_argument("--exchanges", type=int, default=4)
    parser.add_argument("--multi-turn", type=Path, metavar="FOLDER", help="benchmarks/multi_turn of vLLM's source")
    parser.add_argument("--limit", type=float, help="seconds for every step, instead of its own limit")
    parser.add_argument("--args", default="{}", help="vLLM engine arguments, as JSON")
    given = parser.parse_args()
    if unknown := sorted({*given.steps} - LIMITS.keys()):
        parser.error(f"no such step: {', '.join(unknown)}; expected some of {', '.join(LIMITS)}")
    sys.exit(main(given))
