#!/usr/bin/env python
"""How much of the model's speed is left when it is asked by the harness.

Three ways to ask one vLLM engine, loaded once, in turn, several times:

- run: what `python -m harness run` does: sessions, context, inner state, guard, journal, metrics and report.
- layer: the prompts of the run before, through the engine layer alone.
- bare: the same prompts again, by a bare asyncio loop on vLLM's own `AsyncLLM`.

`layer` and `bare` send the very requests that were recorded in the run (drafts that were not taken and summaries
included), those of a session one after the other in the order of the run, and all sessions at once. Tokens a second
count what the engine generated, from the first session's start to the last one's end. The prefix cache is emptied
before each.

    python scripts/bench/saturation.py [--model FOLDER] [--sessions 32] [--exchanges 4] [--rounds 3] [--json FILE]
        [KEY=VALUE ...]

Further KEY=VALUE are settings of the run.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.cli.reporter import TerminalReporter
from harness.config.compose import load
from harness.engines import pool
from harness.engines.base import EngineInfo
from harness.engines.vllm.engine import VllmEngine
from harness.errors import HarnessError
from harness.runs.batch import Batch, Outcome
from harness.runs.prepare import CheckedRun, prepare
from harness.runs.resources import SharedResources
from harness.types import Generation, Request, SessionResult

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

Plans = Sequence[Sequence[Request]]
"""The requests of each session, in order."""
LEAST = 0.95
"""Share of the bare loop's tokens a second that the run is to reach."""


@dataclass(frozen=True, slots=True)
class Round:
    """One way's turn: tokens generated, and seconds."""

    way: str
    tokens: int
    seconds: float

    @property
    def speed(self) -> float:
        return self.tokens / self.seconds


class Ear:
    """The loaded engine as a run gets it: writes down what it is asked, and stays when the run is over."""

    def __init__(self, engine: VllmEngine, info: EngineInfo) -> None:
        self._engine, self._info = engine, info
        self.tokens = 0
        self._heard: dict[str, list[Request]] = {}

    async def start(self) -> EngineInfo:
        return self._info

    async def generate(self, request: Request) -> Generation:
        self._heard.setdefault(request.request_id.rpartition("/")[0], []).append(request)
        said = await self._engine.generate(request)
        self.tokens += said.completion_tokens
        return said

    async def close(self) -> None:
        """Others still need it."""

    def plans(self) -> Plans:
        return list(self._heard.values())


class Clock(TerminalReporter):
    """Says nothing, and notes when the sessions began and when the last one ended."""

    def __init__(self) -> None:
        super().__init__()
        self.console.quiet = True

    def start(self, sessions: int, done: int = 0, most_turns: int = 0) -> None:
        super().start(sessions, done, most_turns)
        self.began = time.perf_counter()

    def finished(self, result: SessionResult) -> None:
        super().finished(result)
        self.ended = time.perf_counter()


class Follower:
    """Stops the benchmark where a session failed."""

    def opened(self, run: CheckedRun, path: Path) -> None: ...

    def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
        if isinstance(end, HarnessError):
            raise end
        if end.exit_code:
            raise SystemExit(f"the run ended with exit code {end.exit_code}: no comparison")
        return True


async def whole_run(settings: Sequence[str], engine: VllmEngine, info: EngineInfo) -> tuple[Round, Plans]:
    """One run on the loaded engine, and what it asked."""
    ear, clock = Ear(engine, info), Clock()
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(load([*settings, f"run.dir={folder}/run"]), SharedResources())
        with patch.object(pool, "build", lambda *_, **__: ear):
            await Batch([run], clock, Follower(), None).play()
    return Round("run", ear.tokens, clock.ended - clock.began), ear.plans()


async def timed(way: str, plans: Plans, ask: Callable[[Request], Awaitable[int]]) -> Round:
    """All sessions at once, the requests of one in order. `ask` gives the tokens of an answer."""

    async def talk(plan: Sequence[Request]) -> int:
        return sum([await ask(request) for request in plan])

    began = time.perf_counter()
    tokens = sum(await asyncio.gather(*map(talk, plans)))
    return Round(way, tokens, time.perf_counter() - began)


async def layer(plans: Plans, engine: VllmEngine) -> Round:
    async def ask(request: Request) -> int:
        return (await engine.generate(request)).completion_tokens

    return await timed("layer", plans, ask)


async def bare(plans: Plans, llm: "AsyncLLM", *, seeded: bool) -> Round:
    """The least code that sends the same."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    async def ask(request: Request) -> int:
        drawn = request.sampling
        params = SamplingParams(
            temperature=drawn.temperature,
            top_p=drawn.top_p,
            top_k=drawn.top_k or 0,
            min_p=drawn.min_p or 0.0,
            repetition_penalty=drawn.repetition_penalty or 1.0,
            stop=list(drawn.stop),
            seed=request.seed if seeded else None,
            max_tokens=request.prompt.max_new_tokens,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        count = 0
        async for output in llm.generate(
            {"prompt_token_ids": list(request.prompt.ids or ())}, params, request.request_id
        ):
            count = len(output.outputs[0].token_ids)
        return count

    return await timed("bare", plans, ask)


async def measure(engine: VllmEngine, info: EngineInfo, settings: Sequence[str], rounds: int) -> list[Round]:
    """A run to warm up, then all three in turn, in an order that changes; each replays the run before it."""
    seeded = dict(info.details)["seeded"] == "true"
    _, plans = await whole_run(settings, engine, info)
    results: list[Round] = []
    for number in range(rounds):
        for way in ("run", "layer", "bare") if number % 2 == 0 else ("bare", "layer", "run"):
            await engine.llm.reset_prefix_cache()
            if way == "run":
                result, plans = await whole_run(settings, engine, info)
            elif way == "layer":
                result = await layer(plans, engine)
            else:
                result = await bare(plans, engine.llm, seeded=seeded)
            results.append(result)
            print(f"{way:>6}: {result.tokens} tokens, {result.speed:.1f} tokens/s", flush=True)
    return results


async def main(options: argparse.Namespace) -> int:
    settings = [
        "engine=vllm",
        "engine.max_model_len=2048",
        f"personas.sample={options.sessions}",
        f"max_exchanges={options.exchanges}",
        f"min_exchanges={options.exchanges}",
        f"patient.max_new_tokens={options.new_tokens}",
        f"therapist.max_new_tokens={options.new_tokens}",
        f"concurrency={options.sessions}",
        *([f"model.path={options.model}"] if options.model else []),
        *options.settings,
    ]
    role = next(iter(prepare(load(settings), SharedResources()).spec.roles.values()))
    engine = VllmEngine(role.engine, role.model)
    try:
        results = await measure(engine, await engine.start(), settings, options.rounds)
    finally:
        await engine.close()
    speeds = {
        way: statistics.median(result.speed for result in results if result.way == way)
        for way in ("run", "layer", "bare")
    }
    ratios = {f"{way}_ratio": speeds[way] / speeds["bare"] for way in ("run", "layer")}
    summary = {"sessions": options.sessions, "tokens_per_second": speeds, **ratios}
    print(json.dumps(summary, indent=2))
    if options.json is not None:
        rounds = [{"way": r.way, "tokens": r.tokens, "seconds": r.seconds} for r in results]
        options.json.write_text(json.dumps({**summary, "rounds": rounds}, indent=2), "utf-8")
    return int(ratios["run_ratio"] < LEAST)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder (default: the small model)")
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--exchanges", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    sys.exit(asyncio.run(main(parser.parse_args())))
