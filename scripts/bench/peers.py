#!/usr/bin/env python
"""The harness compared with plain ways of requesting the same sessions from the same model, in one run.

- harness: what `python -m harness run` does, without the patients' length profiles and the guard's mending; vLLM in this process.
- bare: the requests of that run again, from a bare asyncio loop on vLLM's `AsyncLLM`; the same engine.
- asyncio: the same requests, from a bare asyncio client (aiohttp) to `vllm serve`.
- threads: the same, from a thread per session with the `openai` client to that server.
- sides: the same requests from the asyncio client, with each speaker's as a separate conversation that doesn't wait for
  the other speaker; as many at once as there are sessions. It shows what `multi_turn` gains from that.
- multi_turn: vLLM's own multi-turn benchmark client against that server (`--multi-turn`, the folder benchmarks/multi_turn
  of vLLM's source archive, which wheels leave out; it needs pandas). It plays each speaker's side of each session as a
  separate conversation with answers of its own.
- transformers: batches of `generate`, the first request of every session, then the second, ... (`--transformers`).

All have the same model, prompts (but for `multi_turn`), token limit (one for all turns), sampling (greedy unless
settings say otherwise) and stop conditions. The server has the engine's batch limits, prefix cache and cache blocks. Engine
and server are loaded together and measured in turn, over several rounds in alternating order; all prefix caches are
emptied before each measurement. Tokens per second count generated tokens. On a GPU each of the two gets
`--memory-share` of its memory.

    python scripts/bench/peers.py [--model FOLDER | --shape 8b] [--sessions 32] [--window 2048] [--exchanges 4]
        [--rounds 3] [--multi-turn FOLDER] [--transformers] [--limit SECONDS] [--json FILE] [KEY=VALUE ...]

The JSON is written after each measurement. Exit codes: 0 the harness reaches BOUNDS, 1 it does not, 2 a setting is wrong, 3
nothing could be measured.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from batches import batches
from machine import FAILED, HELD, MISSED, ended, gpus, machine, write
from recorded import Plans, Round, add_options, bare, engine_of, medians, run_settings, settings_of, whole_run
from served import Server, serving

from harness.engines.base import EngineInfo
from harness.engines.cores import cores
from harness.engines.vllm.engine import VllmEngine
from harness.errors import HarnessError

BOUNDS = {"bare": 0.98, "asyncio": 1.0, "multi_turn": 1.0}
"""Lower bounds of the harness's tokens per second, as multiples of another way's."""
ALIKE = ("model.sampling.temperature=0", "patient.profile=off", "guard.mends=none")
"""Settings for equal requests: greedy, one token limit for all turns and no second drafts, since the multi-turn client has none.

A second draft is sampled with `top_p`. On a CPU, vLLM then sorts the probabilities of the whole batch, so that eight drafts
slow down all 128 turns."""


@dataclass
class Figures:
    """The measurements so far, written to the JSON after each one."""

    head: Mapping[str, Any]
    path: Path | None
    rounds: list[Round] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    prompts_alike: float | None = None
    """Share of prompts with as many tokens on the server as in the run."""

    def add(self, result: Round) -> None:
        self.rounds.append(result)
        print(result, flush=True)
        self.write()

    def failed(self, way: str, error: Exception) -> None:
        """Record that a way could not be measured; the others go on."""
        self.errors[way] = f"{type(error).__name__}: {error}"
        print(f"{way:>12}: NOT MEASURED: {self.errors[way]}", flush=True)
        self.write()

    def ratios(self) -> dict[str, float]:
        """The harness's tokens per second divided by each other way's."""
        speeds = medians(self.rounds)
        ours = speeds.get("harness")
        return {} if ours is None else {way: ours / speed for way, speed in speeds.items() if way != "harness"}

    def write(self) -> None:
        rounds = [one.fields() for one in self.rounds]
        found = {"tokens_per_second": medians(self.rounds), "harness_beside": self.ratios(), "bounds": BOUNDS}
        rest = {"prompts_alike": self.prompts_alike, "errors": self.errors, "rounds": rounds}
        write(self.path, {**self.head, **found, **rest})


async def measure(
    options: argparse.Namespace, settings: Sequence[str], engine: VllmEngine, info: EngineInfo, figures: Figures
) -> Plans:
    """Measure all ways but transformers, in turn. Returns the requests of the last run."""
    stop = time.monotonic() + options.limit
    _, plans = await whole_run("harness", [*settings, "max_exchanges=1", "min_exchanges=1"], engine, info)
    arguments = server_arguments(options, engine)
    log = (options.json or Path(tempfile.gettempdir(), "peers")).with_suffix(".server.log")
    with serving(engine, info, plans[0][0], arguments, log) as server:
        await server.asyncio_client([plan[:1] for plan in plans])  # warms up
        for number in range(options.rounds):
            if number and time.monotonic() > stop:
                print(f"time is up after {number} of {options.rounds} rounds")
                break
            of_sides = ["sides", "multi_turn"] if options.multi_turn else []
            ways = ["harness", "bare", "asyncio", *of_sides, "threads"]
            for way in ways if number % 2 == 0 else ["harness", *ways[:0:-1]]:
                await engine.llm.reset_prefix_cache()
                server.forget()
                try:
                    result, plans = await measure_way(way, plans, engine, info, settings, server, options)
                except HarnessError as error:
                    if way == "harness":
                        raise
                    figures.failed(way, error)
                else:
                    figures.add(result)
            figures.prompts_alike = server.alike / max(1, server.counted)
    return plans


async def measure_way(
    way: str,
    plans: Plans,
    engine: VllmEngine,
    info: EngineInfo,
    settings: Sequence[str],
    server: Server,
    options: argparse.Namespace,
) -> tuple[Round, Plans]:
    """Measure one way; returns its round and the requests of the last run."""
    if way == "harness":
        return await whole_run("harness", settings, engine, info)
    if way == "bare":
        return await bare(plans, engine.llm, seeded=server.seeded), plans
    before = server.prefilled()
    match way:
        case "asyncio":
            result = await server.asyncio_client(plans)
        case "threads":
            result = await server.threads(plans)
        case "sides":
            result = await server.sides(plans)
        case _:
            result = await server.multi_turn(plans, options.multi_turn, info.model)
    return replace(result, prefilled=server.prefilled() - before), plans


def server_arguments(options: argparse.Namespace, engine: VllmEngine) -> dict[str, Any]:
    given = {"load_format": "dummy"} if options.shape else {}
    if gpus():
        given |= {"gpu_memory_utilization": engine.llm.vllm_config.cache_config.gpu_memory_utilization}
    return given


def environment() -> None:
    """Set defaults of vLLM's CPU build for engine and server, unless the caller has set others."""
    if not gpus():
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
        if cores() == 2:
            os.environ.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")


async def main(options: argparse.Namespace) -> int:
    environment()
    with tempfile.TemporaryDirectory() as folder:
        share = [f"engine.args.gpu_memory_utilization={options.memory_share}"] if gpus() else []
        settings = [*share, *run_settings(options, Path(folder))]
        settings = [*ALIKE, *settings]
        engine = engine_of(settings, options.sessions)
        try:
            info = await engine.start()
            head = {"benchmark": "peers", "machine": machine(), "engine": settings_of(engine, info, settings)}
            figures = Figures({**head, "sessions": options.sessions, "exchanges": options.exchanges}, options.json)
            plans = await measure(options, settings, engine, info, figures)
        finally:
            await engine.close()
        if options.transformers:
            try:
                figures.add(await asyncio.to_thread(batches, info.model, plans, dummy=bool(options.shape)))
            except (HarnessError, RuntimeError, OSError) as error:
                figures.failed("transformers", error)
    figures.write()
    return judged(figures, options)


def judged(figures: Figures, options: argparse.Namespace) -> int:
    """Print the ratios with their bounds; returns the exit code."""
    ratios, speeds = figures.ratios(), medians(figures.rounds)
    print(f"prompts with as many tokens on the server as in the run: {figures.prompts_alike or 0:.1%}")
    for way, ratio in ratios.items():
        bound = BOUNDS.get(way)
        verdict = "" if bound is None else f"  at least {bound}: {'held' if ratio >= bound else 'MISSED'}"
        print(f"harness {speeds['harness']:.1f} tokens/s, {way} {speeds[way]:.1f}: {ratio:.3f} times{verdict}")
    if not options.multi_turn:
        print("multi_turn: skipped, since --multi-turn names no folder")
    wanted = {way: bound for way, bound in BOUNDS.items() if way != "multi_turn" or options.multi_turn}
    if wanted.keys() - ratios.keys():
        return FAILED
    return HELD if all(ratios[way] >= bound for way, bound in wanted.items()) else MISSED


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--multi-turn", type=Path, metavar="FOLDER", help="benchmarks/multi_turn of vLLM's source")
    parser.add_argument("--transformers", action="store_true", help="measure transformers, too (slow)")
    parser.add_argument(
        "--memory-share", type=float, default=0.45, help="share of GPU memory, for each of engine and server"
    )
    given = parser.parse_args()
    if given.multi_turn and not (given.multi_turn / "benchmark_serving_multi_turn.py").is_file():
        parser.error(f"--multi-turn: no benchmark_serving_multi_turn.py in {given.multi_turn}")
    if given.multi_turn:
        given.multi_turn = given.multi_turn.resolve()
    sys.exit(ended(lambda: asyncio.run(main(given))))
