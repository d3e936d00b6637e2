#!/usr/bin/env python
"""How much of the model's speed is left when it is asked through the engine layer.

Two ways to play the same conversations on one vLLM engine, in turn, several times: through `VllmEngine`, and by a
bare asyncio loop on the same `AsyncLLM`. Both send the same prompts with the same sampling, and in each conversation
in the same order. The ratio of their tokens a second is what the layer costs.

    python scripts/bench/saturation.py --model FOLDER [--sessions 32] [--exchanges 4] [--rounds 3] [--json FILE]
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.vllm import VllmEngine
from harness.types import Prompt, Request, Sampling

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

Way = Callable[[Sequence[Sequence[Request]]], Awaitable[int]]
"""Plays conversations (requests of one are asked in order) and returns how many tokens were generated."""


@dataclass(frozen=True, slots=True)
class Round:
    """One way's turn: tokens generated, and seconds."""

    way: str
    tokens: int
    seconds: float


def conversations(model: Path, sessions: int, exchanges: int, new_tokens: int, window: int) -> list[list[Request]]:
    """Growing prompts with a shared system prompt, as sessions have; answers are of a fixed length."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    plans = []
    for session in range(sessions):
        messages = [{"role": "system", "content": "You are a therapist. " * 20}]
        requests = []
        for turn in range(exchanges):
            messages.append({"role": "user", "content": f"Session {session}, turn {turn}: nobody said a word. " * 3})
            ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
            prompt = Prompt((), list(ids), len(ids), new_tokens, window)
            requests.append(Request(prompt, Sampling(), seed=session * 1000 + turn, request_id=f"{session}/{turn}"))
            messages.append({"role": "assistant", "content": "I hear how quiet it was, and how that felt."})
        plans.append(requests)
    return plans


def through_layer(engine: VllmEngine) -> Way:
    """The way the harness asks."""

    async def play(plans: Sequence[Sequence[Request]]) -> int:
        async def talk(plan: Sequence[Request]) -> int:
            return sum([(await engine.generate(request)).completion_tokens for request in plan])

        return sum(await asyncio.gather(*map(talk, plans)))

    return play


def bare(llm: "AsyncLLM") -> Way:
    """The least code that sends the same."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    async def play(plans: Sequence[Sequence[Request]]) -> int:
        async def talk(plan: Sequence[Request]) -> int:
            count = 0
            for request in plan:
                params = SamplingParams(
                    temperature=request.sampling.temperature,
                    top_p=request.sampling.top_p,
                    seed=request.seed,
                    max_tokens=request.prompt.max_new_tokens,
                    output_kind=RequestOutputKind.FINAL_ONLY,
                )
                prompt = {"prompt_token_ids": list(request.prompt.ids or ())}
                async for output in llm.generate(prompt, params, request.request_id):
                    count += len(output.outputs[0].token_ids)
            return count

        return sum(await asyncio.gather(*map(talk, plans)))

    return play


async def measure(ways: dict[str, Way], plans: Sequence[Sequence[Request]], rounds: int, reset: Way) -> list[Round]:
    """Each way once to warm up, then all in turn, in an order that changes; the prefix cache is emptied before each."""
    results = []
    for number in range(rounds + 1):
        order = list(ways.items())
        if number % 2:
            order.reverse()
        for name, way in order:
            await reset(plans)
            began = time.perf_counter()
            tokens = await way(plans)
            if number:
                results.append(Round(name, tokens, time.perf_counter() - began))
                print(f"{name:>6}: {tokens} tokens, {tokens / results[-1].seconds:.1f} tokens/s", flush=True)
    return results


def speed(results: Sequence[Round], way: str) -> float:
    """Median tokens a second of one way."""
    return statistics.median(result.tokens / result.seconds for result in results if result.way == way)


async def main(options: argparse.Namespace) -> None:
    window = 2048
    plans = conversations(options.model, options.sessions, options.exchanges, options.new_tokens, window)
    engine = VllmEngine(EngineConfig(kind="vllm", max_model_len=window), ModelConfig(path=str(options.model)))
    await engine.start()
    try:
        llm = engine.llm

        async def reset(_: Sequence[Sequence[Request]]) -> int:
            await llm.reset_prefix_cache()
            return 0

        results = await measure({"layer": through_layer(engine), "bare": bare(llm)}, plans, options.rounds, reset)
    finally:
        await engine.close()
    layer, least = speed(results, "layer"), speed(results, "bare")
    summary = {"sessions": options.sessions, "layer_tokens_s": layer, "bare_tokens_s": least, "ratio": layer / least}
    print(json.dumps(summary, indent=2))
    if options.json is not None:
        options.json.write_text(json.dumps(summary, indent=2), "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--exchanges", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asyncio.run(main(parser.parse_args()))
