"""The openai engine against a loopback server: what it sends, what it survives, what it never tells."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiohttp import web

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.events import Notice, Paused, Resumed, Retried
from harness.engines.openai import discovery
from harness.engines.openai.answer import generation
from harness.engines.openai.engine import OpenAIEngine
from harness.engines.openai.http import Reply
from harness.engines.openai.retry import Patience
from harness.engines.openai.wire import chat_body, completion_body
from harness.errors import ConfigError, EngineError, EngineUnavailable, PromptRefused, RequestRejected
from harness.types import AnswerFormat, Message, Prompt, Request, Sampling
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
        body = completion_body(asked, "m", 1) if vllm else chat_body(asked, "m", 1)
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
    assert any(
        "status 429" in retry.reason and 0.05 <= retry.wait_s < 0.2 for answer in answers for retry in answer.retries
    )


async def test_of_answers_that_come_together_each_goes_on_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the next request of a session has left when another session computes."""
    together, steps = asyncio.Barrier(5), list[int]()
    async with LoopbackServer().running() as server:
        engine = engine_for(server)
        await engine.start()
        complete = engine._completed

        async def held(path: str, data: bytes, asked: Request) -> Reply:
            answer = await complete(path, data, asked)
            await together.wait()
            return answer

        async def session(number: int) -> None:
            await engine.generate(request(number))
            steps.append(number)  # computes its next request
            await asyncio.sleep(0)
            steps.append(number)  # the task that sends it has run

        monkeypatch.setattr(engine, "_completed", held)
        await asyncio.gather(*map(session, range(5)))
        await engine.close()
    assert steps[::2] == steps[1::2]
    assert len(set(steps)) == 5


async def test_an_answer_that_stays_empty_is_handed_on_as_of_any_other_engine_with_its_retries() -> None:
    """The session then asks again with a note."""
    async with LoopbackServer(fault_every=1, faults=(Fault.EMPTY,)).running() as server:
        engine = engine_for(server)
        await engine.start()
        answer = await engine.generate(request())
        await engine.close()
    assert (answer.text, answer.reasoning) == ("", None)
    assert len(server.bodies) == 6
    assert len({body["seed"] for body in server.bodies}) == 6
    assert [retry.reason for retry in answer.retries] == ["the server answered without any text"] * 5
    assert answer.usage.requests == 6


async def test_template_arguments_reach_the_server_and_are_never_left_out() -> None:
    wanted = replace(request(), prompt=replace(request().prompt, template_args={"enable_thinking": False}))
    error = {"message": "Unknown parameter: 'chat_template_kwargs'", "param": "chat_template_kwargs"}
    async with LoopbackServer().running() as server:
        engine = engine_for(server)
        await engine.start()
        await engine.generate(wanted)
        server.refuse = error
        with pytest.raises(RequestRejected, match=r"model\.template_args are sent as chat_template_kwargs"):
            await engine.generate(wanted)
        await engine.close()
    assert [body["chat_template_kwargs"] for body in server.bodies] == [{"enable_thinking": False}] * 2


async def test_a_template_of_ones_own_is_refused_where_the_server_applies_its_own(tmp_path: Path) -> None:
    async with LoopbackServer().running() as server:
        config = EngineConfig.model_validate({"kind": "openai", "base_url": server.base_url})
        engine = OpenAIEngine(config, MODEL.model_copy(update={"chat_template": tmp_path / "own.jinja"}))
        with pytest.raises(ConfigError, match=r"^model\.chat_template: "):
            await engine.start()


async def test_an_answer_of_reasoning_alone_is_an_empty_one_and_no_error() -> None:
    cut = replace(request(), prompt=replace(request().prompt, answer=AnswerFormat(awaits="<think>")))
    body = {"choices": [{"message": {"content": "she is tired, so"}, "finish_reason": "length"}]}
    answer = generation(cut, json.dumps(body).encode(), "application/json", 0.1)
    assert (answer.text, answer.reasoning) == ("", "she is tired, so")


async def test_a_permanent_refusal_is_sent_once() -> None:
    async with LoopbackServer(refuse={"message": "no such thing", "param": "messages"}).running() as server:
        engine = engine_for(server)
        await engine.start()
        with pytest.raises(RequestRejected, match="no such thing"):
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
        with pytest.raises(EngineUnavailable, match="refused the key") as caught:
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


async def test_a_server_without_tokenize_is_not_taken_to_have_our_tokenizer(small_model: Path) -> None:
    """A proxy may hide it; ids of another tokenizer would be another prompt."""
    async with LoopbackServer(is_vllm=True).running() as server:
        config = EngineConfig(kind="openai", base_url=server.base_url)
        engine = OpenAIEngine(config, ModelConfig(path=str(small_model)), patience=QUICK)
        info = await engine.start()
        await engine.close()
    assert not info.counts_as_we_do
    assert ("sends", "messages") in info.details


async def test_a_server_that_does_not_answer_a_probe_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, small_model: Path
) -> None:
    """A probe has a short limit of its own, whatever a request may take."""

    class Slow(LoopbackServer):
        async def _tokenize(self, request: web.Request) -> web.Response:
            await asyncio.sleep(5.0)
            return web.Response()

    monkeypatch.setattr(discovery, "PROBE_S", 0.2)
    async with Slow(is_vllm=True, tokenizer=object()).running() as server:
        config = EngineConfig(kind="openai", base_url=server.base_url, request_timeout_s=600)
        engine = OpenAIEngine(config, ModelConfig(path=str(small_model)), patience=QUICK)
        info = await asyncio.wait_for(engine.start(), 4.0)
        await engine.close()
    assert not info.counts_as_we_do


async def test_a_server_that_is_still_loading_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loading(LoopbackServer):
        probes = 0

        async def _models(self, request: web.Request) -> web.Response:
            self.probes += 1
            if self.probes < 3:
                return web.json_response({"error": {"code": 503, "message": "Loading model"}}, status=503)
            return await super()._models(request)

    monkeypatch.setattr("harness.engines.openai.engine._START_PROBE_S", 0.05)
    seen: list[Notice] = []
    async with Loading().running() as server:
        engine = engine_for(server, seen)
        assert (await engine.start()).max_model_len == 4096
        await engine.close()
        server.probes = -1000
        with pytest.raises(EngineError, match=r"is not ready after 0.2 s \(status 503: Loading model\)"):
            await engine_for(server, outage_s=0.2).start()
    assert [notice.reason for notice in seen if isinstance(notice, Paused)] == ["status 503: Loading model"] * 2


async def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with LoopbackServer().running() as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        engine = OpenAIEngine(EngineConfig(kind="openai", base_url="http://server.invalid/v1"), MODEL, patience=QUICK)
        await engine.start()
        answer = await engine.generate(request())
        await engine.close()
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        engine = engine_for(server)
        await engine.start()
        await engine.close()
    assert answer.text == "Answer 1: I hear you."


async def test_an_endless_body_is_read_no_further_than_an_answer_can_be() -> None:
    sent = 0

    class Endless(LoopbackServer):
        async def _complete(self, request: web.Request) -> web.StreamResponse:
            nonlocal sent
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                while True:
                    await response.write(b" " * 65536)
                    sent += 65536
            return response

    async with Endless().running() as server:
        engine = engine_for(server, request_timeout_s=20)
        await engine.start()
        with pytest.raises(EngineError, match=r"more than \d+ bytes, which max_new_tokens=50 can't fill"):
            await engine.generate(request())
        await engine.close()
    assert sent < 6 * 8 * 2**20


@pytest.mark.parametrize("pause", ["-5", "0", "nan", "1e30", "-1e400", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_senseless_retry_after_brings_no_storm_of_requests(pause: str) -> None:
    class Busy(LoopbackServer):
        async def _complete(self, request: web.Request) -> web.StreamResponse:
            self.bodies.append({})
            return web.json_response({}, status=429, headers={"retry-after": pause})

    async with Busy().running() as server:
        config = EngineConfig(kind="openai", base_url=server.base_url)
        patience = Patience(deadline_s=1.5, first_wait_s=0.2, longest_wait_s=1.0)
        engine = OpenAIEngine(config, MODEL, patience=patience)
        await engine.start()
        with pytest.raises(EngineUnavailable, match="keeps asking to slow down"):
            await asyncio.wait_for(engine.generate(request()), 5.0)
        await engine.close()
    assert 2 <= len(server.bodies) < 30


async def test_who_asks_for_a_pause_past_all_patience_stops_the_run_and_says_so() -> None:
    class Busy(LoopbackServer):
        async def _complete(self, request: web.Request) -> web.StreamResponse:
            told = {"error": {"message": "Daily limit reached"}}
            return web.json_response(told, status=429, headers={"Retry-After": "7200"})

    async with Busy().running() as server:
        engine = engine_for(server)
        await engine.start()
        with pytest.raises(EngineUnavailable, match=r"to wait 7200 s: .*Daily limit reached"):
            await asyncio.wait_for(engine.generate(request()), 5.0)
        await engine.close()


async def test_a_query_of_the_address_goes_with_every_request() -> None:
    class Azure(LoopbackServer):
        queries: ClassVar[list[str]] = []

        async def _complete(self, request: web.Request) -> web.StreamResponse:
            self.queries.append(request.query_string)
            return await super()._complete(request)

    async with Azure().running() as server:
        engine = engine_for(server, base_url=f"{server.base_url}/?api-version=2024-10-21")
        info = await engine.start()
        await engine.generate(request())
        await engine.close()
    assert Azure.queries == ["api-version=2024-10-21"]
    assert dict(info.details)["base_url"] == server.base_url
