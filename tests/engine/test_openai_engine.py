"""The openai engine against a loopback server: what it sends, what it survives, what it never tells."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.events import Notice, Paused, Resumed, Retried
from harness.engines.openai.engine import OpenAIEngine
from harness.engines.openai.retry import Patience
from harness.engines.openai.wire import chat_body, completion_body
from harness.errors import ConfigError, EngineError, EngineUnavailable, PromptRefused, RequestRejected
from harness.types import Message, Prompt, Request, Sampling
from tests.fixtures.loopback_server import FAULT_TEXT, Fault, LoopbackServer

KEY = "sk-very-secret-4711"
MODEL = ModelConfig(path="/nonexistent")
QUICK = Patience(deadline_s=10.0, first_wait_s=0.01, longest_wait_s=0.05)


def request(number: int = 0, ids: Sequence[int] | None = None) -> Request:
    prompt = Prompt((Message("user", "I feel small."),), ids, 11, 50, 4096)
    return Request(prompt, Sampling(top_k=7), seed=number, request_id=f"session/{number}")


def engine_for(server: LoopbackServer, seen: list[Notice] | None = None, **settings: object) -> OpenAIEngine:
    config = EngineConfig.model_validate(
        {"kind": "openai", "base_url": server.base_url, "request_timeout_s": 0.3, **settings}
    )
    return OpenAIEngine(config, MODEL, listener=(seen if seen is not None else []).append, patience=QUICK)


async def test_it_sends_messages_and_reads_usage_and_keeps_reasoning_out_of_the_text() -> None:
    async with LoopbackServer(reasoning="she is tired").running() as server:
        engine = engine_for(server)
        info = await engine.start()
        answer = await engine.generate(request())
        await engine.close()
    assert info.max_model_len == 4096
    assert info.model == "served"
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "I feel small."}]
    assert server.bodies[0]["max_tokens"] == 50
    assert server.bodies[0]["top_k"] == 7
    assert answer.text == "Answer 1: I hear you."
    assert answer.reasoning == "she is tired"
    assert (answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) == (11, 7, 3)


def test_a_second_draft_asks_only_a_server_that_is_known_to_have_it_for_a_penalty() -> None:
    """A strict server refuses parameters that it does not know."""

    def sent(own: float | None, *, vllm: bool) -> object:
        asked = replace(request(ids=[1, 2]), sampling=Sampling(repetition_penalty=own, avoid_said=1.5))
        body = completion_body(asked, "m", 1) if vllm else chat_body(asked, "m", 1, "max_tokens")
        return body.get("repetition_penalty")

    assert sent(None, vllm=False) is None
    assert sent(None, vllm=True) == 1.5
    assert sent(1.1, vllm=False) == sent(1.1, vllm=True) == 1.5
    assert "repetition_penalty" not in completion_body(request(ids=[1]), "m", 1)


async def test_every_kind_of_fault_is_survived_and_no_fault_text_becomes_an_answer() -> None:
    seen: list[Notice] = []
    async with LoopbackServer(fault_every=3).running() as server:
        engine = engine_for(server, seen)
        await engine.start()
        answers = await asyncio.gather(*(engine.generate(request(number)) for number in range(40)))
        await engine.close()
    assert set(server.failed) == set(Fault)
    assert all(answer.text.startswith("Answer") for answer in answers)
    assert not any(FAULT_TEXT in answer.text for answer in answers)
    assert len([notice for notice in seen if isinstance(notice, Retried)]) == len(server.failed)
    assert sum(len(answer.retries) for answer in answers) == len(server.failed)
    assert any("status 429" in retry.reason and retry.wait_s == 0.05 for answer in answers for retry in answer.retries)


async def test_of_answers_that_come_together_each_goes_on_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the next request of a session has left when another session computes."""
    together, steps = asyncio.Barrier(5), list[int]()
    async with LoopbackServer().running() as server:
        engine = engine_for(server)
        await engine.start()
        send = engine._send

        async def held(method: str, url: str, data: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
            answer = await send(method, url, data)
            await together.wait()
            return answer

        async def session(number: int) -> None:
            await engine.generate(request(number))
            steps.append(number)  # computes its next request
            await asyncio.sleep(0)
            steps.append(number)  # the task that sends it has run

        monkeypatch.setattr(engine, "_send", held)
        await asyncio.gather(*map(session, range(5)))
        await engine.close()
    assert steps[::2] == steps[1::2]
    assert len(set(steps)) == 5


async def test_an_engine_that_never_answers_properly_fails_the_request_within_its_patience() -> None:
    async with LoopbackServer(fault_every=1, faults=(Fault.EMPTY,)).running() as server:
        engine = engine_for(server)
        await engine.start()
        with pytest.raises(EngineError, match="without any text"):
            await engine.generate(request())
        await engine.close()
    assert len(server.bodies) == 3
    assert len({body["seed"] for body in server.bodies}) == 3


async def test_a_permanent_refusal_is_sent_once() -> None:
    async with LoopbackServer(refuse={"message": "no such option", "param": "top_k"}).running() as server:
        engine = engine_for(server)
        await engine.start()
        with pytest.raises(RequestRejected, match="no such option"):
            await engine.generate(request())
        await engine.close()
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("error", "limit", "counted"),
    [
        (
            {
                "message": "This model's maximum context length is 4096 tokens. However, your prompt contains at "
                "least 4099 input tokens and you requested 50 output tokens",
                "param": "input_tokens",
            },
            4096,
            4099,
        ),
        (
            {
                "message": "maximum context length is 4096 tokens. However, you requested 4149 tokens "
                "(4099 in the messages, 50 in the completion).",
                "code": "context_length_exceeded",
            },
            4096,
            4099,
        ),
        ({"type": "exceed_context_size_error", "n_ctx": 4096, "n_prompt_tokens": 5000, "message": "x"}, 4096, 5000),
        ({"message": "too long", "code": "context_length_exceeded"}, None, None),
    ],
)
async def test_a_prompt_that_the_server_calls_too_long_is_told_from_other_refusals(
    error: dict[str, object], limit: int | None, counted: int | None
) -> None:
    async with LoopbackServer(refuse=error).running() as server:
        engine = engine_for(server)
        await engine.start()
        with pytest.raises(PromptRefused) as caught:
            await engine.generate(request())
        await engine.close()
    assert (caught.value.limit, caught.value.counted) == (limit, counted)


async def test_a_server_that_goes_away_pauses_all_requests_and_they_end_when_it_returns() -> None:
    seen: list[Notice] = []
    server = LoopbackServer()
    async with server.running():
        engine = engine_for(server, seen)
        await engine.start()
        await engine.generate(request())
    waiting = [asyncio.create_task(engine.generate(request(number))) for number in range(10)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)
    async with server.running():
        answers = await asyncio.wait_for(asyncio.gather(*waiting), 10)
        await engine.close()
    assert len(answers) == 10
    assert all("can't connect" in answer.retries[-1].reason for answer in answers)
    assert [notice.probes for notice in seen if isinstance(notice, Paused)][:1] == [0]
    assert sum(isinstance(notice, Resumed) for notice in seen) == 1


async def test_a_server_that_stays_away_ends_the_wait_for_everyone() -> None:
    server = LoopbackServer()
    async with server.running():
        engine = engine_for(server, outage_s=0.2)
        await engine.start()
    failed = await asyncio.gather(*(engine.generate(request(number)) for number in range(3)), return_exceptions=True)
    await engine.close()
    assert all(isinstance(error, EngineUnavailable) for error in failed)


async def test_retry_after_is_honoured() -> None:
    async with LoopbackServer(fault_every=2, faults=(Fault.SLOW_DOWN,)).running() as server:
        engine = engine_for(server)
        await engine.start()
        await engine.generate(request())
        began = time.perf_counter()
        await engine.generate(request())
        await engine.close()
    assert time.perf_counter() - began >= 0.05


async def test_the_key_is_sent_and_never_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with LoopbackServer(key=KEY).running() as server:
        engine = engine_for(server, api_key_env="TEST_KEY")
        await engine.start()
        await engine.generate(request())
        server.key = "changed"
        with pytest.raises(RequestRejected) as caught:
            await engine.generate(request())
        await engine.close()
        with pytest.raises(EngineError, match="refused the key") as at_start:
            await engine_for(server, api_key_env="TEST_KEY").start()
    told = "".join(map(repr, (engine, caught.value, at_start.value, vars(caught.value))))
    assert "[key]" in str(caught.value)
    assert KEY not in told + "".join(capfd.readouterr())


def test_a_missing_key_or_address_is_a_mistake_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY", raising=False)
    good = EngineConfig(kind="openai", base_url="http://127.0.0.1:1/v1")
    for update in (
        {"api_key_env": "TEST_KEY"},
        {"base_url": None},
        {"base_url": "ftp://x"},
        {"base_url": "http://a:b@c"},
    ):
        with pytest.raises(ConfigError, match=r"engine\."):
            OpenAIEngine(good.model_copy(update=update), MODEL)


async def test_a_server_that_is_not_there_at_the_start_is_one_clear_line() -> None:
    engine = OpenAIEngine(EngineConfig(kind="openai", base_url="http://127.0.0.1:1/v1"), MODEL)
    with pytest.raises(EngineError, match=r"engine\.base_url: can't connect"):
        await engine.start()


async def test_a_model_that_the_server_does_not_have_is_named_with_those_it_has() -> None:
    async with LoopbackServer().running() as server:
        with pytest.raises(ConfigError, match=r"found other, expected a model of .* \(served\)"):
            await engine_for(server, model="other").start()


async def test_the_smaller_of_the_two_windows_counts() -> None:
    async with LoopbackServer(max_model_len=900).running() as server:
        engine = engine_for(server, max_model_len=1000)
        assert (await engine.start()).max_model_len == 900
        await engine.close()
        engine = engine_for(server, max_model_len=800)
        assert (await engine.start()).max_model_len == 800
        await engine.close()


async def test_newer_models_get_the_limit_under_its_newer_name() -> None:
    async with LoopbackServer(refuse={"param": "max_tokens", "code": "unsupported_parameter"}).running() as server:
        engine = engine_for(server)
        await engine.start()
        with pytest.raises(RequestRejected):
            await engine.generate(request())
        server.refuse = None
        await engine.generate(request())
        await engine.close()
    assert ["max_tokens" in body for body in server.bodies] == [True, False, False]
    assert server.bodies[-1]["max_completion_tokens"] == 50


async def test_a_server_that_can_count_is_asked_before_a_prompt_that_may_be_too_long_is_sent() -> None:
    server = LoopbackServer(is_vllm=True, max_model_len=100, tokenizer=object(), count=lambda messages: 60)
    async with server.running():
        config = EngineConfig(kind="openai", base_url=server.base_url)
        engine = OpenAIEngine(config, ModelConfig(path="/nonexistent", stand_in=True), patience=QUICK)
        info = await engine.start()
        with pytest.raises(PromptRefused) as caught:
            await engine.generate(replace(request(), prompt=replace(request().prompt, tokens=30)))
        sent = len(server.bodies)
        answer = await engine.generate(replace(request(), prompt=replace(request().prompt, max_new_tokens=40)))
        await engine.close()
    assert not info.counts_as_we_do
    assert (caught.value.limit, caught.value.counted, sent) == (100, 60, 0)
    assert answer.prompt_tokens == 60
    assert "messages" in server.bodies[0]


async def test_a_server_without_usage_is_told_from_one_that_counts() -> None:
    class Silent(LoopbackServer):
        def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
            return {key: value for key, value in super()._answer(body, text).items() if key != "usage"}

    for server, counted in ((Silent(), False), (LoopbackServer(), True)):
        async with server.running():
            engine = engine_for(server)
            await engine.start()
            answer = await engine.generate(request())
            await engine.close()
        assert answer.counted is counted
        assert answer.prompt_tokens == 11


async def test_requests_do_not_queue_in_the_client() -> None:
    """All of 50 conversations have their call at the server at once; how long that takes is a benchmark's business."""
    async with LoopbackServer(latency_s=0.5).running() as server:
        engine = engine_for(server, request_timeout_s=10)
        await engine.start()

        async def talk(number: int) -> None:
            for turn in range(2):
                await engine.generate(replace(request(turn), request_id=f"{number}/{turn}"))

        await asyncio.gather(*(talk(number) for number in range(50)))
        await engine.close()
    assert server.most_in_flight == 50
