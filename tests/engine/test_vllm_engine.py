"""The real vLLM engine on the real small model: answers, limits, seeds, cancellation."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.base import EngineInfo
from harness.engines.events import Notice, Restarted
from harness.engines.pool import build
from harness.engines.supervisor import Supervisor
from harness.engines.vllm.batching import limits
from harness.engines.vllm.engine import VllmEngine
from harness.errors import PromptRefused, RequestRejected
from harness.types import FinishReason, Sampling
from tests.fixtures.asking import SCHEMA, Asker, check_stop_ids, check_usage, command, descendants

pytest.importorskip("vllm")
pytestmark = pytest.mark.asyncio(loop_scope="module")

WINDOW = 1024


class Served:
    """The engine of this module, with what it said and what it reported."""

    def __init__(self, model: Path) -> None:
        self.notices: list[Notice] = []
        self.supervisor = cast(
            Supervisor,
            build(
                EngineConfig(kind="vllm", max_model_len=WINDOW),
                ModelConfig(path=str(model)),
                sessions=300,
                listener=self.notices.append,
            ),
        )
        self.generate = self.supervisor.generate
        self.info: EngineInfo | None = None
        self.ask = Asker(model, WINDOW)

    @property
    def vllm(self) -> VllmEngine:
        return cast(VllmEngine, self.supervisor._engine)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(small_model: Path) -> AsyncIterator[Served]:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    before = descendants(os.getpid())
    served = Served(small_model)
    served.info = await served.supervisor.start()
    yield served
    await served.supervisor.close()
    await served.supervisor.close()  # twice is allowed
    left = {pid: command(pid) for pid in descendants(os.getpid()) - before}
    assert not {pid for pid, line in left.items() if "resource_tracker" not in line}, f"outlive the engine: {left}"


async def test_it_says_what_it_is(served: Served) -> None:
    assert served.info is not None
    assert served.info.max_model_len == WINDOW
    assert served.info.kv_cache_tokens is not None
    assert served.info.kv_cache_tokens > WINDOW
    assert dict(served.info.details)["seeded"] == "true"


async def test_concurrent_requests_are_answered_and_their_usage_adds_up(served: Served) -> None:
    requests = [served.ask(f"Number {number}: how was your day?", max_new_tokens=10 + number) for number in range(8)]
    answers = await asyncio.gather(*map(served.generate, requests))
    check_usage(served.ask, requests, answers)


async def test_a_prompt_asked_again_comes_from_the_prefix_cache(served: Served) -> None:
    request = served.ask("word " * 400)
    await served.generate(request)
    again = await served.generate(served.ask("word " * 400))
    assert (again.cached_tokens or 0) >= 256


async def test_the_same_seed_gives_the_same_text_and_another_seed_another(served: Served) -> None:
    first, again, other = [
        await served.generate(served.ask(seed=seed, max_new_tokens=40)) for seed in (2**62 + 5, 2**62 + 5, 6)
    ]
    assert first.text == again.text
    assert first.text != other.text


async def test_seeded_long_prompts_at_once_do_not_kill_the_engine(served: Served) -> None:
    """Prompts of more tokens together than one step takes: partial prefills with a seed are fatal on a CPU."""
    ids = list(served.ask("I keep thinking about the meeting. " * 110).prompt.ids or ())[:980]
    requests = [served.ask.raw([100 + number, *ids], seed=number) for number in range(10)]
    answers = await asyncio.gather(*map(served.generate, requests))
    assert len(answers) == 10
    assert not [notice for notice in served.notices if isinstance(notice, Restarted)]


async def test_a_prompt_that_does_not_fit_is_refused_and_harms_nobody(served: Served) -> None:
    with pytest.raises(PromptRefused) as caught:
        await served.generate(served.ask("word " * 1100))
    assert caught.value.limit == WINDOW
    assert (caught.value.counted or 0) > WINDOW
    with pytest.raises(PromptRefused):
        await served.generate(served.ask(max_new_tokens=WINDOW))
    assert (await served.generate(served.ask())).text


async def test_vllms_own_refusal_of_a_long_prompt_is_told_by_its_type(served: Served) -> None:
    """The second line of defence: our count is taken away, and vLLM's error still becomes a PromptRefused."""
    served.vllm._window = 10**6
    try:
        with pytest.raises(PromptRefused):
            await served.generate(served.ask("word " * 1100))
    finally:
        served.vllm._window = WINDOW


async def test_stop_strings_end_the_turn_and_are_not_part_of_it(served: Served) -> None:
    answer = await served.generate(served.ask(max_new_tokens=80, sampling=Sampling(temperature=0.0, stop=(".",))))
    assert "." not in answer.text
    assert answer.finish_reason is FinishReason.STOP
    assert served.ask.tokenizer.decode(answer.token_ids, skip_special_tokens=True).startswith(
        answer.text
    )  # ids as sampled


async def test_the_templates_end_of_turn_ends_the_turn(served: Served) -> None:
    await check_stop_ids(served.generate, served.ask)


async def test_a_json_schema_is_kept(served: Served) -> None:
    answers = await asyncio.gather(
        *(served.generate(served.ask(seed=seed, max_new_tokens=60, json_schema=SCHEMA)) for seed in range(4))
    )
    for answer in answers:
        assert set(json.loads(answer.text)) == {"mood", "calm"}
    with pytest.raises(RequestRejected):
        await served.generate(served.ask(json_schema={"type": "nonsense"}))
    assert (await served.generate(served.ask())).text


async def test_a_cancelled_call_ends_its_request_in_the_engine(served: Served) -> None:
    task = asyncio.create_task(served.generate(served.ask(max_new_tokens=900)))
    await asyncio.sleep(0.5)
    llm = served.vllm.llm
    assert llm.output_processor.get_num_unfinished_requests() == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert llm.output_processor.get_num_unfinished_requests() == 0


async def test_the_chosen_batch_limits_are_those_of_vllms_own_config(served: Served) -> None:
    """300 sessions are more than the defaults of vLLM's server; the tokens of a step are never fewer than its."""
    scheduler = served.vllm.llm.vllm_config.scheduler_config
    assert scheduler.max_num_seqs >= 300
    assert scheduler.max_num_batched_tokens >= 2048
    assert served.info is not None
    details = dict(served.info.details)
    assert details["max_num_seqs"] == str(scheduler.max_num_seqs)
    assert "for 300 sessions" in details["batch_limits"]


async def test_a_large_gpu_gets_at_least_what_vllms_server_takes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a faked H100: 1,000 sessions, 1,024 sequences and 8,192 tokens or more."""
    from vllm import platforms
    from vllm.engine.arg_utils import AsyncEngineArgs

    args = AsyncEngineArgs(model="none", max_model_len=8192)
    monkeypatch.setattr(platforms.current_platform, "get_device_total_memory", lambda *_: 80 * 2**30, raising=False)
    monkeypatch.setattr(
        platforms.current_platform, "get_device_name", lambda *_: "NVIDIA H100 80GB HBM3", raising=False
    )
    monkeypatch.setattr(platforms.current_platform, "is_cpu", lambda: False, raising=False)
    chosen = limits(args, {}, 8192, 1000)
    assert chosen is not None
    assert chosen.max_num_seqs >= 1024
    assert chosen.max_num_batched_tokens >= 8192
    assert limits(args, {"max_num_seqs": 8, "max_num_batched_tokens": 8192}, 8192, 1000) is None
