"""vLLM's own server beside a loaded engine, and plain clients that send it the requests of a run.

The server gets the model, the window and the batch limits of the engine in this process. Prompts are sent as chat
messages, as users send them; `Server.alike` counts those that have as many tokens on the server as in the run.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recorded import Plans, Round, timed
from vllm_server import vllm_server

from harness.engines.base import EngineInfo
from harness.engines.vllm.engine import VllmEngine
from harness.errors import EngineError
from harness.types import Message, Request

NAME = "served"


class Server:
    """A running `vllm serve`."""

    def __init__(self, address: str, *, seeded: bool) -> None:
        self.address = address
        self.seeded = seeded
        """Whether requests carry their seed, as in the run."""
        self.alike = self.counted = 0
        """Prompts with as many tokens on the server as in the run, and all prompts."""

    def generated(self) -> int:
        """Tokens that it generated so far, by its own metrics."""
        return self._count("generation_tokens")

    def prefilled(self) -> int:
        """Prompt tokens that it computed so far: all but those from its prefix cache."""
        return self._count("prompt_tokens") - self._count("prefix_cache_hits")

    def _count(self, metric: str) -> int:
        text = _get(f"{self.address}/metrics")
        found = re.findall(rf"^vllm:{metric}_total\{{[^}}]*\}} ([0-9.e+]+)$", text, re.MULTILINE)
        return int(sum(map(float, found)))

    def forget(self) -> None:
        """Empty its prefix cache."""
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.address}/reset_prefix_cache", method="POST"), timeout=60
        ):
            pass

    def body(self, request: Request) -> dict[str, Any]:
        """A request of the run, as the chat API takes it."""
        drawn = request.sampling
        body = {
            "model": NAME,
            "messages": [_message(one) for one in request.prompt.messages],
            "max_tokens": request.prompt.max_new_tokens,
            **sampled(request),
            "stop": [*drawn.stop, *request.prompt.stop_texts] or None,
            "seed": request.seed % 2**63 if self.seeded else None,
            "chat_template_kwargs": dict(request.prompt.template_args) or None,
        }
        return {name: value for name, value in body.items() if value is not None}

    def note(self, request: Request, prompt_tokens: int) -> None:
        self.counted += 1
        self.alike += prompt_tokens == request.prompt.tokens

    async def asyncio_client(self, plans: Plans, way: str = "asyncio", at_once: int | None = None) -> Round:
        """Send the requests with as little asyncio code as possible: one aiohttp session for all."""
        import aiohttp

        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:

            async def ask(request: Request) -> int:
                address = f"{self.address}/v1/chat/completions"
                async with client.post(address, json=self.body(request)) as response:
                    response.raise_for_status()
                    usage = (await response.json())["usage"]
                self.note(request, usage["prompt_tokens"])
                return int(usage["completion_tokens"])

            return await timed(way, plans, ask, at_once=at_once)

    async def sides(self, plans: Plans) -> Round:
        """Send the same requests from the same client, but let no speaker wait for the other, as in `multi_turn`.

        Each speaker's requests of a session are a separate plan; as many plans run at once as there are sessions.
        """
        split = [requests for plan in plans for requests in _by_speaker(plan).values()]
        return await self.asyncio_client(split, "sides", at_once=len(plans))

    async def threads(self, plans: Plans) -> Round:
        """Send the requests from one thread per session, each with an `openai` client of its own."""
        from openai import OpenAI

        def talk(plan: Sequence[Request]) -> tuple[int, str]:
            client, tokens = OpenAI(base_url=f"{self.address}/v1", api_key="none", max_retries=0, timeout=3600), 0
            try:
                for request in plan:
                    body = self.body(request)
                    extra = {name: body.pop(name) for name in EXTRA if name in body}
                    answer = client.chat.completions.create(**body, extra_body=extra)
                    self.note(request, answer.usage.prompt_tokens)
                    tokens += answer.usage.completion_tokens
            except Exception as error:  # counted and printed: a failed session must not end the benchmark
                return tokens, f"{type(error).__name__}: {error}"
            return tokens, ""

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(len(plans)) as pool:
            began = time.perf_counter()
            talks = await asyncio.gather(*(loop.run_in_executor(pool, talk, plan) for plan in plans))
            seconds = time.perf_counter() - began
        return _checked(
            Round("threads", sum(n for n, _ in talks), seconds, sum(bool(e) for _, e in talks)), [e for _, e in talks]
        )

    async def multi_turn(self, plans: Plans, folder: Path, model: str) -> Round:
        """Run vLLM's own multi-turn benchmark client, in `folder`, with one process per session.

        The client plays conversations whose user messages are given. So each speaker's side of a session becomes one
        conversation, as its model saw it at the end. The client has no system messages, so their text goes in front of the
        first user message. Sampling is the server's default, which is that of the run.
        """
        sides = [*_sides(plans)]
        limit = max(request.prompt.max_new_tokens for plan in plans for request in plan)
        before = self.generated()
        asked = await asyncio.to_thread(self._multi_turn, sides, len(plans), limit, folder, model)
        tokens = self.generated() - before
        began = min(one["start_time_ms"] for one in asked)
        over = max(one["start_time_ms"] + one["latency_ms"] for one in asked)
        wanted = sum(len(side["messages"]) // 2 for side in sides)
        return Round("multi_turn", tokens, (over - began) / 1000, wanted - len(asked))

    def _multi_turn(
        self, sides: Sequence[Mapping[str, Any]], clients: int, limit: int, folder: Path, model: str
    ) -> list[dict[str, Any]]:
        """Run the client; returns its statistics of each request."""
        with tempfile.TemporaryDirectory() as place:
            conversations, stats = Path(place, "conversations.json"), Path(place, "stats.json")
            conversations.write_text(json.dumps(sides), "utf-8")
            command = [sys.executable, str(folder / "benchmark_serving_multi_turn.py")]
            command += ["--url", self.address, "--model", model, "--served-model-name", NAME]
            command += ["--input-file", str(conversations), "--stats-json-output", str(stats)]
            command += ["--num-clients", str(clients), "--max-active-conversations", str(clients)]
            command += ["--limit-min-tokens", "1", "--limit-max-tokens", str(limit), "--no-stream"]
            command += ["--no-early-stop", "--request-timeout-sec", "3600"]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
            if done.returncode or not stats.is_file():
                raise EngineError(f"vLLM's multi-turn client: {(done.stderr or done.stdout)[-400:]}")
            asked: list[dict[str, Any]] = json.loads(stats.read_text("utf-8"))
        return asked


EXTRA = ("top_k", "min_p", "repetition_penalty", "chat_template_kwargs")
"""Fields for which the `openai` client has no parameter."""


def sampled(request: Request) -> dict[str, Any]:
    """A request's sampling as vLLM's parameters; also the server's defaults."""
    drawn = request.sampling
    return {
        "temperature": 1.0 if drawn.temperature is None else drawn.temperature,
        "top_p": 1.0 if drawn.top_p is None else drawn.top_p,
        "top_k": drawn.top_k or 0,
        "min_p": drawn.min_p or 0.0,
        "repetition_penalty": drawn.penalty,
    }


@contextmanager
def serving(
    engine: VllmEngine, info: EngineInfo, request: Request, arguments: Mapping[str, Any], log: Path
) -> Iterator[Server]:
    """Start `vllm serve` with the engine's settings and the sampling of `request` as its default; yields the server."""
    config = engine.llm.vllm_config
    seeded = dict(info.details)["seeded"] == "true"
    options = {
        "model": config.model_config.model,
        "tokenizer": config.model_config.tokenizer,
        "served-model-name": NAME,
        "max-model-len": info.max_model_len,
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "max-num-seqs": config.scheduler_config.max_num_seqs,
        "max-num-batched-tokens": config.scheduler_config.max_num_batched_tokens,
        "enable-prefix-caching": True,
        "block-size": config.cache_config.block_size,
        "enable-chunked-prefill": config.scheduler_config.enable_chunked_prefill,
        "enforce-eager": config.model_config.enforce_eager,
        "override-generation-config": json.dumps(sampled(request)),
        **{name.replace("_", "-"): value for name, value in arguments.items()},
    }
    with vllm_server(options, log) as address:
        yield Server(address, seeded=seeded)


def _by_speaker(plan: Sequence[Request]) -> dict[str, list[Request]]:
    """The requests of each speaker of a session, by its system message."""
    sides: dict[str, list[Request]] = {}
    for request in plan:
        sides.setdefault(request.prompt.messages[0].content, []).append(request)
    return sides


def _sides(plans: Plans) -> Iterator[dict[str, Any]]:
    """Each speaker's side of each session, as its model saw it last: an even number of messages, the user first."""
    for number, plan in enumerate(plans):
        for side, requests in enumerate(_by_speaker(plan).values()):
            head, *rest = requests[-1].prompt.messages
            if head.role != "system":
                head, rest = Message("user", ""), [head, *rest]
            rest = [
                Message("user", f"{head.content}\n\n{rest[0].content}".strip()),
                *rest[1:],
                Message("assistant", "x"),
            ]
            yield {"id": f"{number}-{side}", "messages": [_message(one) for one in rest]}


def _message(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _checked(result: Round, errors: Sequence[str]) -> Round:
    if why := next(filter(None, errors), None):
        print(f"{result.way}: a session failed: {why}", flush=True)
    if result.failed == len(errors):
        raise EngineError(f"{result.way}: every session failed")
    return result


def _get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as response:
        return str(response.read().decode())
