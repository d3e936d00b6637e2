"""What the context costs: CPU a turn, and prompt tokens that the engine prefills.

    python scripts/bench/context.py --model FOLDER [--json PATH] [--skip-engine]

Rendering: CPU time of adding a turn to a history of 500 and of 8,000 tokens, by the context manager and by rendering
the whole history anew. Engine: sessions on the real vLLM engine, once with the low-water mark and once with a window
that drops the oldest exchange every turn, and how much of every prompt came from the prefix cache.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from harness.config.schema import EngineConfig, ModelConfig
from harness.context.budget import Window
from harness.context.manager import Answer, ContextManager
from harness.context.policies import Truncate
from harness.context.preamble import Preamble
from harness.context.render.renderer import Renderer
from harness.context.view import EXCHANGE
from harness.engines.base import Engine, EngineInfo
from harness.types import FinishReason, Generation, Request, Sampling, Speaker, Turn

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
"""The low-water mark of a sliding window: from the first overflow on its oldest exchange goes every turn."""


class Silent:
    """No engine: what is timed is the harness."""

    async def start(self) -> EngineInfo:
        return EngineInfo("silent", "none", 1 << 20)

    async def generate(self, request: Request) -> Generation:
        return Generation("yes", (), FinishReason.STOP, request.prompt.tokens, 1)

    async def close(self) -> None:
        """Nothing to free."""


def words(random: Random, count: int = TURN_WORDS) -> str:
    return " ".join(random.choices(SPEECH.split(), k=count))


def manager(renderer: Renderer, engine: Engine, window: int, max_new_tokens: int, low_water: float) -> ContextManager:
    preamble = Preamble(Speaker.THERAPIST, SYSTEM, None, renderer)
    return ContextManager(
        preamble,
        engine,
        Window(window),
        Truncate(),
        sampling=Sampling(temperature=0.8, top_p=0.95),
        max_new_tokens=max_new_tokens,
        low_water=low_water,
    )


def exchange(random: Random, index: int) -> list[Turn]:
    return [Turn(index, Speaker.THERAPIST, words(random)), Turn(index + 1, Speaker.PATIENT, words(random))]


async def rendering_cost(renderer: Renderer, tokens: int, repeats: int) -> dict[str, float]:
    """Median CPU milliseconds of one more exchange and of rendering everything anew, at a history of `tokens`."""
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
    """What the sessions of one kind took from the engine."""

    prompt: int = 0
    cached: int = 0
    generated: int = 0
    reusable: int = 0
    """Tokens in whole cache blocks that a prompt shares with the one before it and its answer, between compactions."""
    reused: int = 0
    """Of `reusable`, those that came from the cache."""
    compactions: int = 0
    answers: int = 0
    resampled: int = 0
    """Answers whose sampled ids are not how their text is tokenized."""
    lost: int = 0
    """Tokens of the prefix that this made the engine prefill again."""
    seconds: float = 0.0
    longest: int = 0

    def add(self, answer: Answer, before: list[int] | None, block: int, encode: Callable[[str], Sequence[int]]) -> None:
        said, ids = answer.generation, list(answer.prompt.ids or ())
        self.prompt += len(ids)
        self.cached += said.cached_tokens
        self.generated += said.completion_tokens
        self.longest = max(self.longest, len(ids))
        self.answers += 1
        self.resampled += list(said.token_ids) != list(encode(said.text))
        self.compactions += len(answer.events)
        if before is not None and not answer.events:
            shared = next((i for i, (a, b) in enumerate(zip(before, ids, strict=False)) if a != b), len(before))
            whole = min(shared, len(ids) - 1) // block * block
            self.reusable += whole
            self.reused += min(said.cached_tokens, whole)
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
            "answers_not_canonical": self.resampled / self.answers,
            "seconds": self.seconds,
        }


async def play(renderer: Renderer, engine: Engine, low_water: float, options: argparse.Namespace, block: int) -> Usage:
    """Sessions of scripted patients with a live therapist, all at once; no text is said under two `low_water`s."""
    usage = Usage()
    slides = low_water == BRIM
    began = time.perf_counter()

    async def session(number: int) -> None:
        random = Random(f"{low_water}/{number}")
        context = manager(renderer, engine, options.max_model_len, options.max_new_tokens, low_water)
        history: list[Turn] = []
        before: list[int] | None = None
        for turn in range(options.exchanges):
            history = [*history, Turn(len(history), Speaker.PATIENT, words(random))]
            request_id = f"{low_water}-{number}/{turn}"
            if slides and context.view.first:
                context.restore(replace(context.view, first=context.view.first + EXCHANGE))
            answer = await context.answer(history, seed=number * 1000 + turn, request_id=request_id)
            usage.add(answer, None if slides else before, block, renderer.encode)
            before = [*(answer.prompt.ids or ()), *answer.generation.token_ids]
            history = [*history, Turn(len(history), Speaker.THERAPIST, answer.generation.text)]

    await asyncio.gather(*(session(number) for number in range(options.sessions)))
    usage.seconds = time.perf_counter() - began
    print(f"low water {low_water}: {json.dumps(usage.figures())}", file=sys.stderr, flush=True)
    return usage


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    renderer = Renderer.load(options.model)
    costs = {size: await rendering_cost(renderer, size, options.repeats) for size in SIZES}
    small, large = (costs[size] for size in SIZES)
    figures: dict[str, Any] = {
        "incremental": renderer.incremental,
        "rendering": {str(size): cost for size, cost in costs.items()},
        "rendering_ratio": large["added_ms"] / small["added_ms"],
    }
    if options.skip_engine:
        return figures
    from harness.engines.vllm.engine import VllmEngine

    engine = VllmEngine(
        EngineConfig(kind="vllm", max_model_len=options.max_model_len, args=json.loads(options.engine_args)),
        ModelConfig(path=str(options.model)),
    )
    info = await engine.start()
    try:
        block = info.cache_block_tokens or 1
        ours = (await play(renderer, engine, LOW_WATER, options, block)).figures()
        sliding = (await play(renderer, engine, BRIM, options, block)).figures()
    finally:
        await engine.close()
    share = ours["prefilled_per_generated"] / sliding["prefilled_per_generated"]
    return {**figures, "cache_block": block, "low_water": ours, "sliding": sliding, "prefill_share": share}


def table(figures: dict[str, Any]) -> str:
    lines = [f"{'CPU ms a turn':<34}{'one more exchange':>20}{'all anew':>14}"]
    for size, cost in figures["rendering"].items():
        lines.append(f"  at {size:>5} tokens{'':<18}{cost['added_ms']:>20.3f}{cost['full_ms']:>14.3f}")
    lines.append(f"  ratio (at most 1.5){'':<15}{figures['rendering_ratio']:>20.2f}")
    if "sliding" in figures:
        ours, sliding = figures["low_water"], figures["sliding"]
        lines.append(f"{'vLLM':<34}{'low water 0.6':>20}{'sliding':>14}")
        lines += [
            f"  {name.replace('_', ' '):<32}{value:>20,.3f}" + (f"{sliding[name]:>14,.3f}" if name in sliding else "")
            for name, value in ours.items()
        ]
        lines.append(f"  prefill, low water / sliding (at most 0.25){figures['prefill_share']:>11.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=os.environ.get("HARNESS_TEST_MODEL"), help="a model folder")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--skip-engine", action="store_true", help="rendering only")
    parser.add_argument("--repeats", type=int, default=60, help="histories of each size")
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--exchanges", type=int, default=40)
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--engine-args", default="{}", help="vLLM engine arguments, as JSON")
    options = parser.parse_args()
    if options.model is None:
        parser.error("--model or HARNESS_TEST_MODEL is needed")
    figures = asyncio.run(measure(options))
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
