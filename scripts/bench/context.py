#!/usr/bin/env python
"""What the context costs: CPU per turn, and prompt tokens that the engine prefills.

    python scripts/bench/context.py [--model FOLDER | --shape 8b] [--sessions 16] [--window 2048] [--limit SECONDS]
        [--json FILE] [--skip-engine] [--policies truncate hybrid sliding]

Rendering: CPU time of adding an exchange to a history of 500 and of 8,000 tokens, by the context manager and by rendering
the whole history again. Engine: sessions on the real vLLM engine under `truncate` and `hybrid` (notes included), both with
the low-water mark, and under a sliding window, which drops the oldest exchange every turn. The figures are the share of
prompt tokens from the prefix cache, and prefilled prompt tokens per generated token.

The JSON is written after each part. Failed sessions are counted, and the benchmark goes on. Exit codes: 0 all bounds held,
1 one was missed, 2 a setting is wrong, 3 nothing could be measured.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import shapes
from machine import FAILED, HELD, MISSED, ended, machine, write
from recorded import settings_of

from harness.config.schema import EngineConfig, ModelConfig
from harness.context.ask import StructuredQuery
from harness.context.budget import Window
from harness.context.manager import Answer, ContextManager
from harness.context.policies import Policy, Summarize, Truncate
from harness.context.preamble import Preamble
from harness.context.render.renderer import Renderer
from harness.context.summary import Summarizer
from harness.context.view import EXCHANGE
from harness.engines.base import Engine, EngineInfo
from harness.engines.vllm.engine import VllmEngine
from harness.errors import HarnessError
from harness.models.fetch import ensure
from harness.types import FinishReason, Generation, Purpose, Request, Sampling, Speaker, Turn

SYSTEM = (
    "You are a therapist in a session. Listen, ask one open question at a time, keep to what the patient told, "
    "and agree on one small step. Two to four sentences a turn."
)
SPEECH = (
    "I don't know how that is supposed to help me. My sister called on Tuesday and I could not pick up, I sat there "
    "and waited until it stopped. At work they laugh when I come in. You say slow down, but it does not feel slow. "
    "Sometimes I walk to the river at six and then it is a bit better, but when I come home it starts again."
)
TURN_WORDS = 45
SIZES = (500, 8000)
LOW_WATER = 0.6
BRIM = 0.999
"""The low-water mark of a sliding window: from the first overflow on, the oldest exchange is dropped every turn."""
KINDS = {"truncate": LOW_WATER, "hybrid": LOW_WATER, "sliding": BRIM}
NOTE_TOKENS = 192
BOUNDS = {"rendering_ratio": 1.5, "prefill_share": 0.25}
"""Upper bounds: the cost of a turn at 8,000 tokens relative to 500; prefill relative to a sliding window."""


class Silent:
    """An engine that answers at once, so that only the harness is timed."""

    async def start(self) -> EngineInfo:
        return EngineInfo("silent", "none", 1 << 20)

    async def generate(self, request: Request) -> Generation:
        return Generation("yes", (), FinishReason.STOP, request.prompt.tokens, 1)

    async def close(self) -> None:
        """Nothing to free."""


def words(random: Random, count: int = TURN_WORDS) -> str:
    return " ".join(random.choices(SPEECH.split(), k=count))


class Counting:
    """Wraps the engine and counts the prompt and cached tokens of all requests, notes included."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.prompt = self.cached = 0

    async def start(self) -> EngineInfo:
        return await self._engine.start()

    async def generate(self, request: Request) -> Generation:
        said = await self._engine.generate(request)
        self.prompt += said.prompt_tokens
        self.cached += said.cached_tokens or 0
        return said

    async def close(self) -> None:
        """Leave the engine open for the next kind."""


def manager(
    renderer: Renderer, engine: Engine, window: int, max_new_tokens: int, low_water: float, policy: Policy | None = None
) -> ContextManager:
    preamble = Preamble(Speaker.THERAPIST, SYSTEM, None, renderer)
    return ContextManager(
        preamble,
        engine,
        Window(window),
        policy or Truncate(),
        sampling=Sampling(temperature=0.8, top_p=0.95),
        max_new_tokens=max_new_tokens,
        low_water=low_water,
    )


def exchange(random: Random, index: int) -> list[Turn]:
    return [Turn(index, Speaker.THERAPIST, words(random)), Turn(index + 1, Speaker.PATIENT, words(random))]


async def rendering_cost(renderer: Renderer, tokens: int, repeats: int) -> dict[str, float]:
    """Median CPU milliseconds of one more exchange and of a full rendering, with a history of `tokens` tokens."""
    added, anew = [], []
    for repeat in range(repeats):
        random = Random(repeat)
        history = [Turn(0, Speaker.PATIENT, words(random))]
        while renderer.count_text(" ".join(turn.text for turn in history)) < tokens:
            history += exchange(random, len(history))
        context = manager(renderer, Silent(), 1 << 16, 256, LOW_WATER)
        await context.answer(history, seed=0, request_id="warm")
        for _ in range(3):
            history = history + exchange(random, len(history))
            began = time.process_time()
            answer = await context.answer(history, seed=0, request_id="timed")
            added.append((time.process_time() - began) * 1000)
        began = time.process_time()
        renderer.render_full(answer.prompt.messages)
        anew.append((time.process_time() - began) * 1000)
    return {"added_ms": statistics.median(added), "full_ms": statistics.median(anew), "prompt": answer.prompt.tokens}


@dataclass
class Usage:
    """Counts over the sessions of one kind."""

    prompt: int = 0
    cached: int = 0
    generated: int = 0
    reusable: int = 0
    """Tokens in whole cache blocks that a prompt shares with the previous prompt and its answer, between compactions."""
    reused: int = 0
    """Those of `reusable` that came from the cache."""
    compactions: int = 0
    answers: int = 0
    resampled: int = 0
    """Answers whose sampled ids differ from the ids of their text."""
    lost: int = 0
    """Prefix tokens that the engine had to prefill again because of that."""
    seconds: float = 0.0
    longest: int = 0
    failed: int = 0
    """Sessions that did not finish."""

    def add(self, answer: Answer, before: list[int] | None, block: int, encode: Callable[[str], Sequence[int]]) -> None:
        said, ids = answer.generation, list(answer.prompt.ids or ())
        self.prompt += len(ids)
        self.cached += said.cached_tokens or 0
        self.generated += said.completion_tokens
        self.longest = max(self.longest, len(ids))
        self.answers += 1
        self.resampled += list(said.token_ids) != list(encode(said.text))
        self.compactions += len(answer.events)
        if before is not None and not answer.events:
            shared = next((i for i, (a, b) in enumerate(zip(before, ids, strict=False)) if a != b), len(before))
            whole = min(shared, len(ids) - 1) // block * block
            self.reusable += whole
            self.reused += min(said.cached_tokens or 0, whole)
            self.lost += len(before) // block * block - shared // block * block

    def figures(self) -> dict[str, float]:
        between = {
            "reusable_prefix_served": self.reused / max(1, self.reusable),
            "prefix_lost_to_retokenizing": self.lost / max(1, self.reusable),
        }
        return (between if self.reusable else {}) | {
            "prefilled_per_generated": (self.prompt - self.cached) / self.generated,
            "prompt_tokens": self.prompt,
            "cached_tokens": self.cached,
            "generated_tokens": self.generated,
            "compactions": self.compactions,
            "longest_prompt": self.longest,
            "cached_share": self.cached / self.prompt,
            "answers_not_canonical": self.resampled / self.answers,
            "failed_sessions": self.failed,
            "seconds": self.seconds,
        }


def policy_of(kind: str, renderer: Renderer, engine: Engine, window: int) -> Policy:
    if kind != "hybrid":
        return Truncate()
    query = StructuredQuery(engine, renderer, Window(window), max_new_tokens=NOTE_TOKENS, purpose=Purpose.NOTE)
    return Summarize(Summarizer(query), "hybrid", catches_up=False)


async def play(kind: str, renderer: Renderer, engine: Engine, options: argparse.Namespace, block: int) -> Usage:
    """Play sessions of scripted patients with a live therapist, all at once. Kinds share no texts and thus no cached tokens."""
    usage, counting = Usage(), Counting(engine)
    low_water, slides = KINDS[kind], kind == "sliding"
    policy = policy_of(kind, renderer, counting, options.window)
    began = time.perf_counter()

    async def session(number: int) -> None:
        random = Random(f"{kind}/{number}")
        context = manager(renderer, counting, options.window, options.max_new_tokens, low_water, policy)
        history: list[Turn] = []
        before: list[int] | None = None
        for turn in range(options.exchanges):
            history = [*history, Turn(len(history), Speaker.PATIENT, words(random))]
            request_id = f"{kind}-{number}/{turn}"
            if slides and context.view.first:
                context.restore(replace(context.view, first=context.view.first + EXCHANGE))
            answer = await context.answer(history, seed=number * 1000 + turn, request_id=request_id)
            usage.add(answer, None if slides else before, block, renderer.encode)
            before = [*(answer.prompt.ids or ()), *answer.generation.token_ids]
            history = [*history, Turn(len(history), Speaker.THERAPIST, answer.generation.text)]

    async def counted(number: int) -> None:
        try:
            await session(number)
        except HarnessError as error:
            usage.failed += 1
            if usage.failed == 1:
                print(f"{kind}: a session failed: {error}", file=sys.stderr, flush=True)

    await asyncio.gather(*(counted(number) for number in range(options.sessions)))
    usage.seconds = time.perf_counter() - began
    if usage.failed == options.sessions:
        raise HarnessError(f"{kind}: every session failed")
    usage.prompt, usage.cached = counting.prompt, counting.cached
    print(f"{kind}: {json.dumps(usage.figures())}", file=sys.stderr, flush=True)
    return usage


async def measure(options: argparse.Namespace, model: Path) -> dict[str, Any]:
    stop = time.monotonic() + options.limit
    renderer = Renderer.load(model)
    costs = {size: await rendering_cost(renderer, size, options.repeats) for size in SIZES}
    small, large = (costs[size] for size in SIZES)
    figures: dict[str, Any] = {
        "benchmark": "context",
        "machine": machine(),
        "sessions": options.sessions,
        "exchanges": options.exchanges,
        "incremental": renderer.incremental,
        "rendering": {str(size): cost for size, cost in costs.items()},
        "rendering_ratio": large["added_ms"] / small["added_ms"],
    }
    write(options.json, figures)
    if not options.skip_engine:
        await engine_parts(options, model, renderer, figures, stop)
    return figures


async def engine_parts(
    options: argparse.Namespace, model: Path, renderer: Renderer, figures: dict[str, Any], stop: float
) -> None:
    """Play one kind after the other on one engine; adds to `figures`."""
    args = {**({"load_format": "dummy"} if options.shape else {}), **json.loads(options.engine_args)}
    engine = VllmEngine(
        EngineConfig(kind="vllm", max_model_len=options.window, args=args),
        ModelConfig(path=str(model)),
        sessions=options.sessions,
    )
    try:
        info = await engine.start()
        figures |= {
            "engine": settings_of(engine, info, [json.dumps(args)]),
            "cache_block": info.cache_block_tokens or 1,
        }
        for kind in options.policies:
            if time.monotonic() > stop:
                print(f"time is up before {kind}", file=sys.stderr)
                break
            figures[kind] = (await play(kind, renderer, engine, options, figures["cache_block"])).figures()
            if "sliding" in figures:
                slid = figures["sliding"]["prefilled_per_generated"]
                for name, share in (("truncate", "prefill_share"), ("hybrid", "hybrid_prefill_share")):
                    if name in figures:
                        figures[share] = figures[name]["prefilled_per_generated"] / slid
            write(options.json, figures)
    finally:
        await engine.close()


def table(figures: dict[str, Any]) -> str:
    lines = [f"{'CPU ms per turn':<34}{'one more exchange':>20}{'full render':>14}"]
    for size, cost in figures["rendering"].items():
        lines.append(f"  at {size:>5} tokens{'':<18}{cost['added_ms']:>20.3f}{cost['full_ms']:>14.3f}")
    kinds = [kind for kind in KINDS if kind in figures]
    if kinds:
        lines.append(f"{'vLLM':<34}" + "".join(f"{kind:>16}" for kind in kinds))
        for name in dict.fromkeys(name for kind in kinds for name in figures[kind]):
            row = "".join(f"{figures[kind][name]:>16,.3f}" if name in figures[kind] else f"{'':>16}" for kind in kinds)
            lines.append(f"  {name.replace('_', ' '):<32}{row}")
    if "hybrid_prefill_share" in figures:
        lines.append(f"  hybrid prefill share: {figures['hybrid_prefill_share']:.3f}")
    for name, bound in BOUNDS.items():
        if name in figures:
            held = "held" if figures[name] <= bound else "MISSED"
            lines.append(f"  {name.replace('_', ' ')} (at most {bound}): {figures[name]:.3f}: {held}")
    return "\n".join(lines)


def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model = shapes.make(options.shape, Path(folder)) if options.shape else options.model or ensure(shapes.SMALL)
        figures = asyncio.run(measure(options, Path(model)))
    print(table(figures))
    if not options.skip_engine and not any(kind in figures for kind in KINDS):
        return FAILED
    return MISSED if any(figures.get(name, 0.0) > bound for name, bound in BOUNDS.items()) else HELD


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--model", type=Path, default=os.environ.get("HARNESS_TEST_MODEL"), help="a model folder")
    chosen.add_argument("--shape", choices=shapes.SHAPES, help="a model of that shape without weights")
    parser.add_argument("--json", type=Path, help="written after each part")
    parser.add_argument("--skip-engine", action="store_true", help="rendering only")
    parser.add_argument("--policies", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--repeats", type=int, default=60, help="number of histories of each size")
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--exchanges", type=int, default=40)
    parser.add_argument("--window", "--max-model-len", type=int, default=2048, help="max_model_len")
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--limit", type=float, default=float("inf"), help="start no part after this many seconds")
    parser.add_argument("--engine-args", default="{}", help="vLLM engine arguments, as JSON")
    given = parser.parse_args()
    sys.exit(ended(lambda: main(given)))
