"""Any OpenAI-compatible server, over one aiohttp session.

A vLLM server whose tokenizer is known to be ours gets token ids (what was counted is what is sent); any other server
gets chat messages.

Invariants:
- The key is in one header and nowhere else: not in messages, logs or representations.
- A server that can't be reached shuts one gate for all requests; it never fails them one by one. A problem that concerns
  all of them (the key, the quota) stops all of them, with the server's own reason.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson

from harness.config.address import EXAMPLE, address_mistake
from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.base import EngineInfo, EngineSetup, engine
from harness.engines.events import Learned, Listener, Notice, Paused, Retried, ignore
from harness.engines.openai import wire
from harness.engines.openai.answer import ErrorInside, generation
from harness.engines.openai.body import count, mapping, parse
from harness.engines.openai.dialect import MOST_LESSONS, Dialect
from harness.engines.openai.discovery import (
    MOST_BYTES,
    PROBE_S,
    chosen,
    model_list,
    redirected,
    same_tokenizer,
    smallest_window,
    window_of,
)
from harness.engines.openai.fault import Fault, read_fault, too_long
from harness.engines.openai.gate import Gate
from harness.engines.openai.http import Away, Client, Reply, answer_bound
from harness.engines.openai.refusal import error_of
from harness.engines.openai.retry import (
    AttemptFailed,
    NoWords,
    Patience,
    SlowDown,
    TooLong,
    Transient,
    patience_for,
    persist,
)
from harness.engines.openai.secrets import Scrubber
from harness.errors import ConfigError, EngineError, EngineUnavailable, PromptRefused, RequestRejected
from harness.types import NOTHING, Generation, Request, Retry

_LONGEST_START_S = 900.0
"""How long a server may take to load its model when a run starts."""
_START_PROBE_S = 2.0
_SURELY = 2
"""Most tokens that any tokenizer is assumed to make from one token of ours."""


class OpenAIEngine:
    """A client of the server at `engine.base_url`. Raises `ConfigError` for a bad address or a missing key."""

    def __init__(
        self,
        engine: EngineConfig,
        model: ModelConfig,
        *,
        listener: Listener = ignore,
        patience: Patience | None = None,
    ) -> None:
        key = _key(engine)
        self._scrub = Scrubber(key)
        self._client = Client(_address(engine), key, engine.request_timeout_s, self._scrub)
        self._base = self._client.base
        self._engine, self._model, self._listener = engine, model, listener
        self._patience = patience or patience_for(engine.request_timeout_s)
        self._gate = Gate(self._base, self._answers, engine.outage_s, listener)
        self._dialect = Dialect(engine.extra_body)
        self._turnstile = asyncio.Lock()
        self._name = engine.model or ""
        self._window = 0
        self._takes_ids = self._tells_counts = False

    async def start(self) -> EngineInfo:
        """Connect to the server and find out its model, window and kind. Raises `EngineError` or `ConfigError`."""
        self._client.open()
        try:
            return await self._introduce()
        except BaseException:
            await self.close()
            raise

    async def _introduce(self) -> EngineInfo:
        models = model_list(await self._ready(), self._base, self._scrub)
        card = chosen(models, self._engine.model, self._base)
        self._name = str(card.get("id") or self._name)
        self._window = smallest_window(self._engine, self._model, window_of(card, models), self._base)
        is_vllm = card.get("owned_by") == "vllm"
        self._takes_ids = (
            is_vllm and not self._model.stand_in and await same_tokenizer(self._client, self._name, self._model)
        )
        if not self._takes_ids and not self._model.stand_in and self._model.chat_template is not None:
            raise ConfigError(
                f"model.chat_template: {self._base} gets messages and applies its own template to them; remove the setting "
                "(a vLLM server whose tokenizer is at hand gets token ids)"
            )
        self._tells_counts = is_vllm and not self._takes_ids
        return EngineInfo(
            kind="openai",
            model=self._name,
            max_model_len=self._window,
            counts_as_we_do=self._takes_ids,
            details=(
                ("base_url", self._base),
                ("server", "vllm" if is_vllm else "openai"),
                ("sends", "token ids" if self._takes_ids else "messages"),
            ),
        )

    async def generate(self, request: Request) -> Generation:
        """Answer one prompt; retries transient faults and waits through outages of the server.

        Raises as `Engine.generate`; an error's `usage` is the cost of unusable answers.
        """
        retries: list[Retry] = []
        wasted = last = NOTHING

        def failed(notice: Notice) -> None:
            if isinstance(notice, Retried):
                retries.append(Retry(notice.reason, notice.wait_s))
            self._listener(notice)

        async def attempt(empties: int) -> Generation:
            nonlocal wasted, last
            try:
                return await self._attempt(request, empties)
            except EngineError as error:
                wasted, last = wasted + error.usage, error.usage
                raise

        try:
            generation = await self._persistent(request, attempt, failed, retries)
        except NoWords as error:
            generation, wasted = error.answer, wasted - last
        except EngineError as error:
            error.usage = wasted
            raise
        await self._one_at_a_time()
        return replace(generation, retries=tuple(retries), wasted=wasted) if retries else generation

    async def _persistent(
        self, request: Request, attempt: Callable[[int], Awaitable[Generation]], failed: Listener, retries: list[Retry]
    ) -> Generation:
        """The answer, retried after every outage of the server. Raises `EngineError`."""
        gone_s = 0.0
        await self._gate.enter()
        while True:
            try:
                return await persist(attempt, self._patience, request.request_id, failed)
            except SlowDown as error:
                asked = f" and to wait {error.wait_s:.0f} s" if error.wait_s else ""
                raise EngineUnavailable(f"{self._base} keeps asking to slow down{asked}: {error}") from None
            except AttemptFailed as error:
                if isinstance(error, NoWords):
                    raise  # handled by the session, as on every engine
                if not isinstance(error, Transient) or await self._answers():
                    raise EngineError(f"{request.request_id} failed after its retries: {error}") from None
                away = str(error)
            except Away as error:
                away = str(error)
            began = time.monotonic()
            self._gate.shut(away)
            await self._gate.enter()
            gone_s += time.monotonic() - began
            if gone_s > self._engine.outage_s:
                raise EngineUnavailable(f"{self._base} was away for {gone_s:.0f} s ({away})")
            retries.append(Retry(away, time.monotonic() - began))

    async def _one_at_a_time(self) -> None:
        """Handle answers that arrived together in separate rounds of the event loop, so that each session sends its
        next request before another one computes."""
        async with self._turnstile:
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Close the connections."""
        await self._gate.close()
        await self._client.close()

    async def _attempt(self, request: Request, empties: int) -> Generation:
        """One attempt. After answers without text the seed is changed, or the answer would stay empty."""
        if self._tells_counts and _SURELY * request.prompt.tokens + request.prompt.max_new_tokens > self._window:
            await self._refuse_too_long(request)
        seed = (request.seed + empties) % 2**63
        if self._takes_ids and request.prompt.ids is not None:
            path, body = "/completions", wire.completion_body(request, self._name, seed)
        else:
            path, body = "/chat/completions", wire.chat_body(request, self._name, seed)
        for _ in range(MOST_LESSONS):
            began = time.perf_counter()
            sent = self._dialect.spoken(body)
            reply = await self._completed(path, orjson.dumps(sent), request)
            if reply.status == 200:
                try:
                    took_s = time.perf_counter() - began
                    return generation(request, reply.body, reply.content_type, took_s, self._scrub)
                except ErrorInside as error:
                    fault = error.fault
            else:
                fault = read_fault(reply.status, reply.body, self._scrub)
            if not self._learns(fault, sent, request):
                raise error_of(fault, reply.headers, request, self._base, self._window)
        raise RequestRejected(f"the server refuses one parameter after the other: {fault.shown}")

    async def _completed(self, path: str, data: bytes, request: Request) -> Reply:
        most = answer_bound(request.prompt.max_new_tokens)
        try:
            reply = await self._client.send("POST", path, data, most=most)
        except TooLong as error:
            raise TooLong(f"{error}, which max_new_tokens={request.prompt.max_new_tokens} can't fill") from None
        if 300 <= reply.status < 400:
            raise EngineUnavailable(redirected(reply, self._base, self._scrub))
        return reply

    def _learns(self, fault: Fault, sent: dict[str, object], request: Request) -> bool:
        """Whether the same prompt is to be sent again, with other parameters."""
        prompt = request.prompt
        if "unsupported_parameter" not in fault.codes and too_long(
            fault, prompt.tokens, prompt.max_new_tokens, self._window
        ):
            return False
        learnt, what = self._dialect.learn(fault, sent)
        if what:
            self._listener(Learned(self._base, what, fault.shown))
        return learnt

    async def _refuse_too_long(self, request: Request) -> None:
        """Raise `PromptRefused` for a prompt that is too long by the server's own count, before it is sent."""
        told = {"chat_template_kwargs": dict(request.prompt.template_args)} if request.prompt.template_args else {}
        body = orjson.dumps(
            {"model": self._name, "messages": wire.messages(request), "add_generation_prompt": True, **told}
        )
        try:
            reply = await self._client.send("POST", "/tokenize", body, most=MOST_BYTES, timeout_s=PROBE_S)
        except AttemptFailed:
            return
        counted = count(mapping(parse(reply.body)).get("count")) if reply.status == 200 else None
        if counted is not None and counted + request.prompt.max_new_tokens > self._window:
            raise PromptRefused(
                f"the server counts {counted} tokens for the prompt of {request.request_id}",
                limit=self._window,
                counted=counted,
            )

    async def _models(self) -> Reply:
        return await self._client.send("GET", "/models", most=MOST_BYTES, timeout_s=PROBE_S)

    async def _answers(self) -> bool:
        """Whether the server answers at all."""
        try:
            return (await self._models()).status < 500
        except (EngineError, TimeoutError):
            return False

    async def _ready(self) -> Reply:
        """The answer of `/models`; waits for a server that is still loading. Raises `EngineError`."""
        began = time.monotonic()
        patience_s = min(_LONGEST_START_S, self._engine.outage_s)
        probes = 0
        while True:
            try:
                reply = await self._models()
            except AttemptFailed as error:
                raise EngineError(f"engine.base_url: {self._base} does not answer: {error}") from None
            except Away as error:
                raise EngineError(f"engine.base_url: {error}; start the server or correct the address") from None
            if reply.status not in (429, 502, 503, 504):
                return reply
            left = began + patience_s - time.monotonic()
            told = read_fault(reply.status, reply.body, self._scrub).shown
            reason = f"status {reply.status}{f': {told}' if told else ''}"
            if left <= 0:
                raise EngineError(f"engine.base_url: {self._base} is not ready after {patience_s:g} s ({reason})")
            wait_s = min(_START_PROBE_S, left)
            self._listener(Paused(self._base, reason, wait_s, left, probes))
            await asyncio.sleep(wait_s)
            probes += 1


def _address(engine: EngineConfig) -> str:
    if engine.base_url is None:
        raise ConfigError(f"engine.base_url: not set, expected the server's address, as {EXAMPLE}")
    if mistake := address_mistake(engine.base_url):
        raise ConfigError(f"engine.base_url: {mistake}")
    return engine.base_url


def _key(engine: EngineConfig) -> str:
    if engine.api_key_env is None:
        return ""
    key = os.environ.get(engine.api_key_env, "").strip()
    if not key:
        raise ConfigError(f"engine.api_key_env: the environment variable {engine.api_key_env} is not set or is empty")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"engine.api_key_env: the value of {engine.api_key_env} holds characters that no header can hold"
        )
    return key


@engine("openai", uses={"base_url", "model", "api_key_env", "extra_body"})
def _make(setup: EngineSetup) -> OpenAIEngine:
    return OpenAIEngine(setup.engine, setup.model, listener=setup.listener)
