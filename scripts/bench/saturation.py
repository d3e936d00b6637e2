#!/usr/bin/env python
"""How much of the engine's throughput the harness keeps.

Three ways to use one vLLM engine, loaded once, are measured in turn, over several rounds:

- run: what `python -m harness run` does: sessions, context, inner state, guard, journal, metrics and report.
- layer: the requests of the previous run, through the engine layer alone.
- bare: the same requests again, from a bare asyncio loop on vLLM's own `AsyncLLM`.

The prefix cache is emptied before each. `recorded.py` says what is sent and counted.

    python scripts/bench/saturation.py [--model FOLDER | --shape 8b] [--sessions 32] [--window 2048] [--exchanges 4]
        [--rounds 3] [--limit SECONDS] [--json FILE] [KEY=VALUE ...]

KEY=VALUE are further settings of the run. The JSON is written after each measurement. Failed sessions are counted, and the
benchmark goes on. Exit codes: 0 the run reaches at least LEAST of the bare loop's tokens per second, 1 it does not, 2 a
setting is wrong, 3 nothing could be measured.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from machine import HELD, MISSED, ended, machine, write
from recorded import Plans, Round, add_options, bare, engine_of, layer, medians, run_settings, settings_of, whole_run

from harness.engines.base import EngineInfo
from harness.engines.vllm.engine import VllmEngine

WAYS = ("run", "layer", "bare")
LEAST = 0.95
"""Share of the bare loop's tokens per second that the run must reach."""


class Figures:
    """The measurements so far, written to the JSON after each one."""

    def __init__(self, head: dict[str, Any], path: Path | None) -> None:
        self._head, self._path = head, path
        self.rounds: list[Round] = []

    def add(self, result: Round) -> None:
        self.rounds.append(result)
        print(result, flush=True)
        write(self._path, {**self._head, **self.summary(), "rounds": [one.fields() for one in self.rounds]})

    def summary(self) -> dict[str, Any]:
        speeds = medians(self.rounds)
        ratios = {
            f"{way}_ratio": speeds[way] / speeds["bare"] for way in ("run", "layer") if {way, "bare"} <= {*speeds}
        }
        return {"tokens_per_second": speeds, **ratios, "failed_sessions": sum(one.failed for one in self.rounds)}


async def measure(
    engine: VllmEngine, info: EngineInfo, settings: Sequence[str], options: argparse.Namespace, figures: Figures
) -> None:
    """Warm up with a run, then measure all three ways in alternating order; layer and bare repeat the last run's requests."""
    stop = time.monotonic() + options.limit
    seeded = dict(info.details)["seeded"] == "true"
    _, plans = await whole_run("run", settings, engine, info)
    for number in range(options.rounds):
        if number and time.monotonic() > stop:
            print(f"time is up after {number} of {options.rounds} rounds")
            break
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            await engine.llm.reset_prefix_cache()
            result, plans = await measure_way(way, plans, engine, info, settings, seeded=seeded)
            figures.add(result)


async def measure_way(
    way: str, plans: Plans, engine: VllmEngine, info: EngineInfo, settings: Sequence[str], *, seeded: bool
) -> tuple[Round, Plans]:
    """Measure one way; returns its round and the requests of the last run."""
    if way == "run":
        return await whole_run("run", settings, engine, info)
    if way == "layer":
        return await layer(plans, engine), plans
    return await bare(plans, engine.llm, seeded=seeded), plans


async def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        settings = run_settings(options, Path(folder))
        engine = engine_of(settings, options.sessions)
        try:
            info = await engine.start()
            head = {"benchmark": "saturation", "machine": machine(), "engine": settings_of(engine, info, settings)}
            figures = Figures({**head, "sessions": options.sessions, "exchanges": options.exchanges}, options.json)
            await measure(engine, info, settings, options, figures)
        finally:
            await engine.close()
    summary = figures.summary()
    print(json.dumps(summary, indent=2))
    held = summary["run_ratio"] >= LEAST
    print(f"bound: {LEAST} of the bare loop: {'held' if held else 'MISSED'}")
    return HELD if held else MISSED


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sys.exit(ended(lambda: asyncio.run(main(given))))
