#!/usr/bin/env python
"""Sessions against a loopback server: healthy, and with a fifth of all requests failing at random in seven ways.

Prints the computed probability of a loss (`harness.engines.openai.retry.loss`). Then it prints for each round the time, the
number of retries and of lost sessions, and whether any fault text was taken for an answer.

    python scripts/bench/faults.py [--sessions 500] [--turns 20] [--rounds 3] [--share 0.2] [--latency-ms 20]
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.events import Notice, Retried
from harness.engines.openai.engine import OpenAIEngine
from harness.engines.openai.retry import loss, patience_for
from harness.errors import EngineError
from harness.types import Message, Prompt, Request, Sampling
from tests.fixtures.loopback_server import FAULT_TEXT, Fault, LoopbackServer


async def play(server: LoopbackServer, options: argparse.Namespace) -> dict[str, object]:
    """Play all sessions at once, the turns of each in order; returns the figures."""
    seen: list[Notice] = []
    engine = OpenAIEngine(
        EngineConfig(kind="openai", base_url=server.base_url, request_timeout_s=options.timeout_s),
        ModelConfig(path="served"),
        listener=seen.append,
    )
    await engine.start()

    async def talk(number: int) -> list[str]:
        said: list[str] = []
        for turn in range(options.turns):
            messages = tuple(Message("user", text) for text in ("I feel small.", *said[-2:]))
            prompt = Prompt(messages, None, 50, 50, 4096)
            answer = await engine.generate(Request(prompt, Sampling(), turn, f"{number}/{turn}"))
            if not answer.text:
                raise EngineError(f"{number}/{turn}: empty answer")
            said.append(answer.text)
        return said

    began, cpu = time.perf_counter(), time.process_time()
    try:
        ends = await asyncio.gather(*map(talk, range(options.sessions)), return_exceptions=True)
    finally:
        await engine.close()
    lost = [error for error in ends if isinstance(error, EngineError)]
    texts = [text for said in ends if isinstance(said, list) for text in said]
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds_with_server": round(time.process_time() - cpu, 3),
        "answers": len(texts),
        "requests_received": len(server.bodies),
        "faults": dict(Counter(map(str, server.failed))),
        "retries": sum(isinstance(notice, Retried) for notice in seen),
        "sessions_lost": len(lost),
        "first_loss": str(lost[0]) if lost else None,
        "fault_texts_in_answers": sum(FAULT_TEXT in text for text in texts),
    }


def expected(options: argparse.Namespace) -> str:
    """A sentence with the computed probability of a loss."""
    each = loss(options.share, len(Fault), patience_for(options.timeout_s), options.timeout_s)
    whole = 1.0 - (1.0 - each) ** (options.sessions * options.turns)
    return f"probability of a loss: at most {each:.1e} per request, {whole:.1e} for any session of a round"


async def main(options: argparse.Namespace) -> int:
    print(expected(options), flush=True)
    wrong = 0
    rounds = [("healthy", 0.0), *((f"round {number + 1}", options.share) for number in range(options.rounds))]
    for number, (name, share) in enumerate(rounds):
        server = LoopbackServer(
            latency_s=options.latency_ms / 1000,
            fault_share=share,
            fault_seed=options.seed + number,
            hang_s=3 * options.timeout_s,
        )
        async with server.running():
            result = await play(server, options)
        print(name, json.dumps(result, indent=2), flush=True)
        wrong += result["fault_texts_in_answers"] != 0 or result["answers"] != options.sessions * options.turns
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", "--conversations", type=int, default=500)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.2, help="share of requests that fail")
    parser.add_argument("--seed", type=int, default=1, help="seed of the faults")
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--timeout-s", type=float, default=2.0, help="time after which an attempt counts as hanging")
    sys.exit(asyncio.run(main(parser.parse_args())))
