#!/usr/bin/env python
"""Conversations against a loopback server, well and with a fifth of all requests failing in seven ways.

Says how long they took, how many attempts were needed, and whether any fault text was taken for an answer.

    python scripts/bench/faults.py [--conversations 50] [--turns 20] [--latency-ms 50]
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
from harness.types import Message, Prompt, Request, Sampling
from tests.fixtures.loopback_server import FAULT_TEXT, LoopbackServer


async def play(server: LoopbackServer, options: argparse.Namespace) -> dict[str, object]:
    """All conversations at once; the turns of one wait for each other."""
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
            said.append((await engine.generate(Request(prompt, Sampling(), turn, f"{number}/{turn}"))).text)
        return said

    began, cpu = time.perf_counter(), time.process_time()
    try:
        texts = [text for said in await asyncio.gather(*map(talk, range(options.conversations))) for text in said]
    finally:
        await engine.close()
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds_with_server": round(time.process_time() - cpu, 3),
        "answers": len(texts),
        "faults": dict(Counter(map(str, server.failed))),
        "retries": sum(isinstance(notice, Retried) for notice in seen),
        "fault_texts_in_answers": sum(FAULT_TEXT in text for text in texts),
    }


async def main(options: argparse.Namespace) -> int:
    wrong = 0
    for name, every in (("healthy", 0), ("a fifth fails", 5)):
        server = LoopbackServer(latency_s=options.latency_ms / 1000, fault_every=every, hang_s=3 * options.timeout_s)
        async with server.running():
            result = await play(server, options)
        print(name, json.dumps(result, indent=2), flush=True)
        wrong += result["fault_texts_in_answers"] != 0 or result["answers"] != options.conversations * options.turns
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--timeout-s", type=float, default=2.0, help="when an attempt counts as hanging")
    sys.exit(asyncio.run(main(parser.parse_args())))
