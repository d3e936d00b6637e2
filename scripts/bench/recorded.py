"""Plays a run on a loaded engine, records its requests, and sends the same requests again without the harness.

All requests of the run are sent again, rejected drafts and summaries included: those of a session one after the other in
the order of the run, and all sessions at once. Tokens per second count what the engine generated, from the first
session's start to the last one's end.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import shapes

from harness.cli.reporter import TerminalReporter
from harness.config.compose import load
from harness.engines import pool
from harness.engines.base import Engine, EngineInfo
from harness.engines.vllm.engine import VllmEngine
from harness.errors import EngineError, HarnessError
from harness.runs.batch import Batch, Outcome
from harness.runs.prepare import CheckedRun, prepare
from harness.runs.resources import SharedResources
from harness.types import Generation, Request, SessionResult

if TYPE_CHECKING:
    import argparse

    from vllm.v1.engine.async_llm import AsyncLLM

Plans = Sequence[Sequence[Request]]
"""The requests of each session, in order."""


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of one way: tokens generated, seconds, and sessions that did not finish."""

    way: str
    tokens: int
    seconds: float
    failed: int = 0
    prefilled: int | None = None
    """Prompt tokens that the engine computed; None where that is not counted."""

    @property
    def speed(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds

    def fields(self) -> dict[str, Any]:
        return {**asdict(self), "tokens_per_second": round(self.speed, 1)}

    def __str__(self) -> str:
        failed = f", {self.failed} sessions FAILED" if self.failed else ""
        prefilled = f", {self.prefilled} prompt tokens computed" if self.prefilled is not None else ""
        return (
            f"{self.way:>12}: {self.tokens} tokens, {self.seconds:.1f} s, {self.speed:.1f} tokens/s{prefilled}{failed}"
        )


class Recorder:
    """The loaded engine as a run gets it: records all requests, and stays loaded after the run."""

    def __init__(self, engine: Engine, info: EngineInfo) -> None:
        self._engine, self._info = engine, info
        self.tokens = self.prefilled = 0
        self._requests: dict[str, list[Request]] = {}

    async def start(self) -> EngineInfo:
        return self._info

    async def generate(self, request: Request) -> Generation:
        self._requests.setdefault(request.request_id.rpartition("/")[0], []).append(request)
        said = await self._engine.generate(request)
        self.tokens += said.completion_tokens
        self.prefilled += said.prompt_tokens - (said.cached_tokens or 0)
        return said

    async def close(self) -> None:
        """Leave the engine loaded for the next round."""

    def plans(self) -> Plans:
        return list(self._requests.values())


class Clock(TerminalReporter):
    """Prints nothing, and records when the sessions began and when the last one ended."""

    def __init__(self) -> None:
        super().__init__()
        self.console.quiet = True

    def start(self, sessions: int, done: int = 0, most_turns: int = 0) -> None:
        super().start(sessions, done, most_turns)
        self.began = self.ended = time.perf_counter()

    def finished(self, result: SessionResult) -> None:
        super().finished(result)
        self.ended = time.perf_counter()


class Follower:
    """Keeps the outcome of the run."""

    outcome: Outcome

    def opened(self, run: CheckedRun, path: Path) -> None: ...

    def playing(self, run: CheckedRun, path: Path) -> None: ...

    def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
        if isinstance(end, HarnessError):
            raise end
        self.outcome = end
        return True

    def abandoned(self) -> None: ...


def add_options(parser: "argparse.ArgumentParser") -> None:
    """Add the options that benchmarks of a run on vLLM share."""
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--model", type=Path, help="a model folder (default: the small model)")
    chosen.add_argument("--shape", choices=shapes.SHAPES, help="a model of that shape without weights")
    parser.add_argument("--sessions", type=int, default=32, help="sessions, all at once")
    parser.add_argument("--exchanges", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=48, help="most new tokens per turn")
    parser.add_argument("--window", type=int, default=2048, help="max_model_len")
    parser.add_argument("--limit", type=float, default=float("inf"), help="start no round after this many seconds")
    parser.add_argument("--json", type=Path, help="written after each round")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of the run")


def run_settings(options: "argparse.Namespace", folder: Path) -> list[str]:
    """The run's settings; a model of a shape is made in `folder`."""
    model = shapes.make(options.shape, folder / options.shape) if options.shape else options.model
    return [
        "engine=vllm",
        f"engine.max_model_len={options.window}",
        f"personas.sample={options.sessions}",
        f"max_exchanges={options.exchanges}",
        f"min_exchanges={options.exchanges}",
        f"patient.max_new_tokens={options.new_tokens}",
        f"therapist.max_new_tokens={options.new_tokens}",
        f"concurrency={options.sessions}",
        *([f"model.path={model}"] if model else []),
        *(["engine.args.load_format=dummy"] if options.shape else []),
        *options.settings,
    ]


def engine_of(settings: Sequence[str], sessions: int) -> VllmEngine:
    """The engine that the run would load, with the batch limits of `sessions` in flight."""
    role = next(iter(prepare(load(settings), SharedResources()).spec.roles.values()))
    return VllmEngine(role.engine, role.model, sessions=sessions)


def settings_of(engine: VllmEngine, info: EngineInfo, settings: Sequence[str]) -> dict[str, Any]:
    """The engine's settings, for the JSON."""
    config = engine.llm.vllm_config
    return {
        "model": info.model,
        "window": info.max_model_len,
        "settings": list(settings),
        "details": dict(info.details),
        "kv_cache_tokens": info.kv_cache_tokens,
        "max_num_seqs": config.scheduler_config.max_num_seqs,
        "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
        "tensor_parallel_size": config.parallel_config.tensor_parallel_size,
        "data_parallel_size": config.parallel_config.data_parallel_size,
        "prefix_caching": config.cache_config.enable_prefix_caching,
    }


async def whole_run(way: str, settings: Sequence[str], engine: Engine, info: EngineInfo) -> tuple[Round, Plans]:
    """Play one run on the loaded engine; returns its round and requests. Raises `EngineError` if no session finished."""
    recorder, clock, follower = Recorder(engine, info), Clock(), Follower()
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(load([*settings, f"run.dir={folder}/run"]), SharedResources())
        with patch.object(pool, "build", lambda *_, **__: recorder):
            await Batch([run], clock, follower, None).play()
        if not follower.outcome.record.totals.finished:
            raise EngineError(f"no session finished: {_first_failure(Path(folder, 'run'))}")
    result = Round(way, recorder.tokens, clock.ended - clock.began, follower.outcome.failed, recorder.prefilled)
    return result, recorder.plans()


def _first_failure(run: Path) -> str:
    file = run / "failures.jsonl"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return str(json.loads(lines[0])["message"]) if lines else "it was interrupted"


async def timed(
    way: str, plans: Plans, ask: Callable[[Request], Awaitable[int]], *, at_once: int | None = None
) -> Round:
    """Send the requests of all plans at once, or of `at_once` of them; those of each in order.

    `ask` returns the number of tokens of an answer.
    """
    failed = 0
    free = asyncio.Semaphore(at_once or len(plans))

    async def talk(plan: Sequence[Request]) -> int:
        nonlocal failed
        tokens = 0
        try:
            async with free:
                for request in plan:
                    tokens += await ask(request)
        except Exception as error:  # counted and printed: a failed session must not end the benchmark
            failed += 1
            if failed == 1:
                print(f"{way}: a session failed: {type(error).__name__}: {error}", flush=True)
        return tokens

    began = time.perf_counter()
    tokens = sum(await asyncio.gather(*map(talk, plans)))
    seconds = time.perf_counter() - began
    if failed == len(plans):
        raise EngineError(f"{way}: every session failed")
    return Round(way, tokens, seconds, failed)


async def layer(plans: Plans, engine: Engine) -> Round:
    """Send the requests through the engine layer alone."""

    async def ask(request: Request) -> int:
        return (await engine.generate(request)).completion_tokens

    return await timed("layer", plans, ask)


async def bare(plans: Plans, llm: "AsyncLLM", *, seeded: bool) -> Round:
    """Send the requests to vLLM in this process, with as little code as possible."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    async def ask(request: Request) -> int:
        drawn = request.sampling
        params = SamplingParams(
            temperature=1.0 if drawn.temperature is None else drawn.temperature,
            top_p=1.0 if drawn.top_p is None else drawn.top_p,
            top_k=drawn.top_k or 0,
            min_p=drawn.min_p or 0.0,
            repetition_penalty=drawn.penalty,
            stop=[*drawn.stop, *request.prompt.stop_texts],
            stop_token_ids=list(request.prompt.stop_ids),
            seed=request.seed % 2**63 if seeded else None,
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


def medians(rounds: Sequence[Round]) -> Mapping[str, float]:
    """Each way's median tokens per second.

    A round in which a session failed does other work, so it counts only if its way has no other.
    """
    by_way: dict[str, list[Round]] = {}
    for result in rounds:
        by_way.setdefault(result.way, []).append(result)
    whole = {way: [result for result in own if not result.failed] or own for way, own in by_way.items()}
    return {way: statistics.median(result.speed for result in own) for way, own in whole.items()}
