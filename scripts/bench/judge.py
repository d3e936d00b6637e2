"""What judging costs: CPU and memory without the engine, and prompt tokens that the engine computes.

    python scripts/bench/judge.py [--model FOLDER] [--json PATH] [--skip-engine] [--sessions 8] [--tokens 6500]
        [--answer-tokens 384]

Dry: CPU time per item with an engine that answers at once, and memory over 50 and 500 sessions.
Engine: 40 items over sessions of `--tokens` tokens on the real vLLM engine, asked in three ways: as the harness does it
(transcript first, question last, one request per item), with the question before the transcript, and with all questions
of a session in one request. The second way is measured on one session, the third on a shorter one. The figures are
prompt tokens that the engine computed (by its own count of cached tokens), seconds, and how many answers were readable.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.schema import EngineConfig, ModelConfig
from harness.context.budget import Window
from harness.context.render.renderer import Renderer
from harness.engines.base import Engine, EngineInfo
from harness.engines.pool import build
from harness.judges import library, prompt
from harness.judges.answers import answer_schema
from harness.judges.asking import Judge
from harness.judges.judgements import Judgements
from harness.judges.judging import Plan
from harness.judges.records import JUDGEMENTS, Judgement, read_lines
from harness.judges.rubric import Item, Rubric
from harness.judges.run import ahead, judge_all
from harness.judges.status import MISSING, Status
from harness.judges.subject import Subject, turns_of
from harness.judges.written.library import sessions
from harness.types import FinishReason, Generation, Message, Request, Sampling, Speaker

ITEMS = 40
ANSWER = 384
"""Default token limit of an answer: that of judges."""
FREE = json.dumps({"evidence": [], "reason": "none", "answer": "?"})


def forty() -> tuple[Rubric, ...]:
    """Rubrics with 40 session items in total, none of which depends on another."""
    dirs = library.folders(None)
    kept: list[Rubric] = []
    left = ITEMS
    for rubric in library.load(
        ["safety-gate", "harm-boundaries", "cbt-skills", "alliance", "ai-talk", "mi-coding"], dirs
    ):
        items = [item.model_copy(update={"needs": ()}) for item in rubric.items if rubric.unit_of(item) == "session"]
        kept.append(rubric.model_copy(update={"items": tuple(items[:left])}))
        left -= len(items[:left])
    assert left == 0
    return tuple(kept)


def subjects(count: int, tokens: int, renderer: Renderer) -> list[Subject]:
    """`count` sessions of about `tokens` tokens, joined from written ones; each begins with another turn."""
    pool = [turn for session in sessions() if session.quality == "good" for turn in session.turns]
    made = []
    for number in range(count):
        start = (number * 34) % (len(pool) - 2)
        start -= start % 2
        turns: list[tuple[Speaker, str]] = []
        used = 0
        for who, text in [*pool[start:], *pool[:start]]:
            used += renderer.count_text(f"[00] Patient: {text}\n\n")
            if used > tokens:
                break
            turns.append((who, text))
        made.append(Subject(f"s-{number}", f"p-{number}", turns_of(turns)))
    return made


class Instant:
    """An engine that answers at once, so that only the harness is timed."""

    async def start(self) -> EngineInfo:
        return EngineInfo("instant", "none", 1 << 20)

    async def generate(self, request: Request) -> Generation:
        answer = request.json_schema["properties"]["answer"]["enum"][0] if request.json_schema else "?"
        return Generation(FREE.replace("?", answer), (), FinishReason.STOP, request.prompt.tokens, 20)

    async def close(self) -> None:
        """Nothing to free."""


def judge_on(folder: Path, engine: Engine, renderer: Renderer, window: int, limit: int, answer: int = ANSWER) -> Judge:
    return Judge(
        "bench",
        f"bench {time.time_ns()}",
        Judgements(folder),
        engine=engine,
        renderer=renderer,
        window=Window(window),
        sampling=Sampling(temperature=0.0),
        max_new_tokens=answer,
        limit=limit,
    )


@dataclass
class Seen:
    """Figures of one way of asking."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    first_computed: int = 0
    """Prompt tokens computed for first tries; a small model also needs many second tries."""
    read: int = 0
    """Answers in the right form."""
    items: int = 0

    def row(self, one: int) -> dict[str, Any]:
        computed = self.prompt_tokens - self.cached_tokens
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "cached_share": round(self.cached_tokens / max(1, self.prompt_tokens), 4),
            "computed_tokens": computed,
            "times_the_prefill_of_one": round(computed / one, 2),
            "first_tries_times_the_prefill_of_one": round((self.first_computed or computed) / one, 2),
            "completion_tokens": self.completion_tokens,
            "seconds": round(self.seconds, 1),
            "answers_read": f"{self.read}/{self.items}",
        }


async def ours(
    engine: Engine, renderer: Renderer, window: int, wanted: Sequence[Subject], limit: int, answer: int
) -> Seen:
    """Judge as the harness does."""
    seen = Seen()
    plan = Plan(forty())
    with tempfile.TemporaryDirectory() as folder:
        made = judge_on(Path(folder), engine, renderer, window, limit, answer)
        began = time.perf_counter()
        async for done in judge_all(made, plan, wanted, side_by_side=ahead(limit, plan)):
            print(
                f"{done.subject.session_id}: {made.sent} answers, {made.cached_tokens}/{made.prompt_tokens} cached",
                flush=True,
            )
            seen.items += len(done.scores)
            seen.read += sum(score.status not in MISSING or score.status is Status.UNSUPPORTED for score in done.scores)
        seen.seconds = time.perf_counter() - began
        made.judgements.close()
        first = [entry for entry in read_lines(Judgement, Path(folder) / JUDGEMENTS) if entry.attempt == 0]
        seen.first_computed = sum(entry.prompt_tokens - entry.cached_tokens for entry in first)
    seen.requests, seen.prompt_tokens = made.sent, made.prompt_tokens
    seen.cached_tokens, seen.completion_tokens = made.cached_tokens, made.completion_tokens
    return seen


async def direct(
    engine: Engine,
    renderer: Renderer,
    window: int,
    asks: Sequence[tuple[tuple[Message, ...], Mapping[str, Any], int, int]],
    limit: int,
) -> Seen:
    """Send requests, each given as (messages, schema, max new tokens, items), straight to the engine."""
    seen = Seen()
    room = asyncio.Semaphore(limit)

    async def one(number: int, messages: tuple[Message, ...], schema: Mapping[str, Any], most: int, items: int) -> None:
        async with room:
            ids = renderer.render_full(messages)
            made = renderer.prompt(messages, ids, max_new_tokens=most, max_model_len=window)
            answer = await engine.generate(
                Request(made, Sampling(temperature=0.0), number, f"bench/{number}/{most}", schema)
            )
        seen.requests += 1
        seen.items += items
        seen.prompt_tokens += answer.prompt_tokens
        seen.cached_tokens += answer.cached_tokens or 0
        seen.completion_tokens += answer.completion_tokens
        if answer.finish_reason is FinishReason.STOP:
            seen.read += items

    began = time.perf_counter()
    await asyncio.gather(*(one(number, *ask) for number, ask in enumerate(asks)))
    seen.seconds = time.perf_counter() - began
    return seen


def question_first(
    wanted: Sequence[Subject], salt: str, answer: int
) -> Iterator[tuple[tuple[Message, ...], Mapping[str, Any], int, int]]:
    """Requests with the question before the transcript."""
    for subject in wanted:
        text = prompt.transcript(subject.turns, subject.turns, None)
        for rubric, item in pairs():
            asked = f"{salt}{prompt.question(rubric, item)}\n\n{text}"
            yield (Message("system", prompt.SYSTEM), Message("user", asked)), answer_schema(item), answer, 1


def all_at_once(
    wanted: Sequence[Subject], salt: str, most: int
) -> Iterator[tuple[tuple[Message, ...], Mapping[str, Any], int, int]]:
    """One request per session, with all questions in it."""
    questions = "\n\n".join(f"{rubric.id}/{item.id}: {prompt.question(rubric, item)}" for rubric, item in pairs())
    properties = {f"{rubric.id}/{item.id}": answer_schema(item) for rubric, item in pairs()}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    for subject in wanted:
        text = salt + prompt.transcript(subject.turns, subject.turns, None)
        yield (Message("system", prompt.SYSTEM), Message("user", f"{text}\n\n{questions}")), schema, most, ITEMS


def pairs() -> list[tuple[Rubric, Item]]:
    return [(rubric, item) for rubric in forty() for item in rubric.items]


def dry(renderer: Renderer) -> dict[str, Any]:
    """CPU per item with an instant engine, and peak memory over few and many sessions."""

    async def run(count: int) -> tuple[float, int]:
        few = subjects(8, 1500, renderer)
        many = (
            Subject(f"s-{n}", "p", (*few[n % 8].turns[:-1], turns_of([(Speaker.THERAPIST, f"Bye {n}.")])[0]))
            for n in range(count)
        )
        plan = Plan(forty())
        with tempfile.TemporaryDirectory() as folder:
            made = judge_on(Path(folder), Instant(), renderer, 8192, 64)
            began = time.process_time()
            scores = 0
            async for done in judge_all(made, plan, many, side_by_side=ahead(64, plan)):
                scores += len(done.scores)
            cpu = time.process_time() - began
            made.judgements.close()
        return cpu / scores, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    asyncio.run(run(10))
    loop = reference_loop_ms()
    few_cpu, few_memory = asyncio.run(run(50))
    many_cpu, many_memory = asyncio.run(run(500))
    return {
        "cpu_ms_per_item": round(1000 * many_cpu, 3),
        "cpu_ms_per_item_50_sessions": round(1000 * few_cpu, 3),
        "reference_loop_ms": round(loop, 1),
        "peak_mib_50_sessions": few_memory // 1024,
        "peak_mib_500_sessions": many_memory // 1024,
    }


def reference_loop_ms() -> float:
    """Milliseconds of an empty Python loop of a million steps, since machines differ by a factor of 2.5."""
    began = time.process_time()
    for _ in range(1_000_000):
        pass
    return 1000 * (time.process_time() - began)


def prefill_of_one(wanted: Sequence[Subject], renderer: Renderer) -> int:
    """Tokens of one question about each of these sessions."""
    asked = prompt.question(*pairs()[0])
    texts = (prompt.transcript(subject.turns, subject.turns, None) for subject in wanted)
    return sum(len(renderer.render_full(prompt.messages(text, asked))) for text in texts)


async def real(
    model: str, renderer: Renderer, count: int, tokens: int, answer: int, args: Mapping[str, Any], *, others: bool
) -> dict[str, Any]:
    """Measure the three ways on vLLM."""
    config = EngineConfig(kind="vllm", args=dict(args))
    engine = build(config, ModelConfig(path=model, dtype="bfloat16"))
    info = await engine.start()
    window = info.max_model_len
    wanted = subjects(count, tokens, renderer)
    one = prefill_of_one(wanted, renderer)
    limit = max(
        1, min(32, ((info.kv_cache_tokens or 1 << 16) - 2 * window) // (answer + 2 * (info.cache_block_tokens or 1)))
    )
    found: dict[str, Any] = {
        "sessions": count,
        "items": ITEMS,
        "cache_block_tokens": info.cache_block_tokens,
        "kv_cache_tokens": info.kv_cache_tokens,
        "requests_in_flight": limit,
        "prefill_of_one_item_a_session": one,
    }
    try:
        found["transcript_first"] = (await ours(engine, renderer, window, wanted, limit, answer)).row(one)
        print(json.dumps(found, indent=2), flush=True)
        if not others:
            return found
        few = wanted[:1]
        asks = list(question_first(few, "B", answer))
        found["question_first (one session)"] = (await direct(engine, renderer, window, asks, 2)).row(
            prefill_of_one(few, renderer)
        )
        print(json.dumps(found["question_first (one session)"]), flush=True)
        short = subjects(count, max(500, tokens - 4500), renderer)[:1]
        most = 1800
        asks = list(all_at_once(short, "C", most))
        found["all_in_one_request (one shorter session)"] = (await direct(engine, renderer, window, asks, 1)).row(
            prefill_of_one(short, renderer)
        )
    finally:
        await engine.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--skip-engine", action="store_true")
    parser.add_argument("--skip-dry", action="store_true")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=6500, help="tokens per transcript")
    parser.add_argument("--answer-tokens", type=int, default=ANSWER, help="token limit of an answer")
    parser.add_argument("--only-ours", action="store_true", help="skip the other ways of asking")
    parser.add_argument("--engine-args", default="{}", help="vLLM arguments as JSON")
    args = parser.parse_args()
    from harness.models.fetch import resolve

    model = str(resolve(args.model, key="--model"))
    renderer = Renderer.load(model)
    found: dict[str, Any] = {}
    if not args.skip_dry:
        found["dry"] = dry(renderer)
        print(json.dumps(found["dry"], indent=2), flush=True)
    if not args.skip_engine:
        found["engine"] = asyncio.run(
            real(
                *(model, renderer, args.sessions, args.tokens, args.answer_tokens, json.loads(args.engine_args)),
                others=not args.only_ours,
            )
        )
    print(json.dumps(found, indent=2))
    if args.json:
        args.json.write_text(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    sys.exit(main())
