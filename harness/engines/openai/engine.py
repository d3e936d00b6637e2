"""Any OpenAI-compatible server, over one aiohttp session.

A vLLM server gets token ids (what was counted is what is sent); any other gets chat messages.

Invariants:
- The key stands in one header and nowhere else: not in messages, logs or representations.
- A server that can't be reached shuts one gate for all requests; it never fails them one by one.
"""

import asyncio
import os
import time
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp
import orjson

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.base import EngineInfo, EngineSetup, engine
from harness.engines.events import Listener, Notice, Retried, ignore
from harness.engines.openai import wire
from harness.engines.openai.gate import Gate
from harness.engines.openai.retry import AttemptFailed, Patience, Transient, failure, persist
from harness.engines.window import model_limit
from harness.errors import ConfigError, EngineError, EngineUnavailable, PromptRefused
from harness.models.tokenizer import load_tokenizer
from harness.types import Generation, Request, Retry

_PROBE_S = 10.0
_UNREACHABLE = (aiohttp.ClientConnectorError, ConnectionRefusedError)
_BROKEN = (aiohttp.ClientError, TimeoutError, ConnectionError)
_LEAST_PATIENCE_S = 120.0
"""With a short time-out three faults in a row are no reason to give a session up."""
_SURELY = 2
"""No tokenizer is believed to make more than as many tokens of one of ours."""
_CHECK = "I don't know — it's 9:30, and she said: \"slowly\", twice.\n"


class OpenAIEngine:
    """A client of the server at `engine.base_url`. Raises `ConfigError` for a missing address or key."""

    def __init__(
        self,
        engine: EngineConfig,
        model: ModelConfig,
        *,
        listener: Listener = ignore,
        patience: Patience | None = None,
    ) -> None:
        self._base = _address(engine)
        self._key = _key(engine)
        self._engine, self._model, self._listener = engine, model, listener
        self._patience = patience or Patience(deadline_s=max(_LEAST_PATIENCE_S, 3 * engine.request_timeout_s))
        self._gate = Gate(self._base, self._answers, engine.outage_s, listener)
        self._session: aiohttp.ClientSession | None = None
        self._turnstile = asyncio.Lock()
        self._name = engine.model or ""
        self._window = 0
        self._takes_ids = self._tells_counts = False
        self._limit_key = "max_tokens"

    async def start(self) -> EngineInfo:
        """Reach the server, and learn its model, window and kind. Raises `EngineError` or `ConfigError`."""
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._engine.request_timeout_s, sock_connect=_PROBE_S),
        )
        try:
            return await self._introduce()
        except BaseException:
            await self.close()
            raise

    async def _introduce(self) -> EngineInfo:
        card = await self._model_card()
        self._name = str(card.get("id") or self._name)
        served = card.get("max_model_len")
        self._window = self._smallest_window(served if isinstance(served, int) else None)
        is_vllm = card.get("owned_by") == "vllm"
        self._takes_ids = is_vllm and not self._model.stand_in and await self._same_tokenizer()
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
        """Answer one prompt, over faults of the moment and over outages of the server."""
        retries: list[Retry] = []

        def failed(notice: Notice) -> None:
            if isinstance(notice, Retried):
                retries.append(Retry(notice.reason, notice.wait_s))
            self._listener(notice)

        await self._gate.enter()
        while True:
            try:
                generation = await persist(
                    lambda empties: self._attempt(request, empties), self._patience, request.request_id, failed
                )
            except AttemptFailed as error:
                if not isinstance(error, Transient) or await self._answers():
                    raise EngineError(f"{request.request_id} failed after its retries: {error}") from None
                away = str(error)
            except _Away as error:
                away = str(error)
            else:
                await self._one_at_a_time()
                return replace(generation, retries=tuple(retries)) if retries else generation
            began = time.monotonic()
            self._gate.shut(away)
            await self._gate.enter()
            retries.append(Retry(away, time.monotonic() - began))

    async def _one_at_a_time(self) -> None:
        """Let answers that came together go on in rounds of the event loop of their own, so that the next request of
        each session leaves before another session computes."""
        async with self._turnstile:
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Close the connections."""
        await self._gate.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _attempt(self, request: Request, empties: int) -> Generation:
        """One attempt. An answer without text is asked again with another seed, or it would stay empty."""
        if self._tells_counts and _SURELY * request.prompt.tokens + request.prompt.max_new_tokens > self._window:
            await self._refuse_too_long(request)
        seed = (request.seed + empties) % 2**63
        began = time.perf_counter()
        if self._takes_ids and request.prompt.ids is not None:
            path, body = "/completions", wire.completion_body(request, self._name, seed)
        else:
            path, body = "/chat/completions", wire.chat_body(request, self._name, seed, self._limit_key)
        status, headers, payload = await self._send("POST", self._base + path, orjson.dumps(body))
        if status == 200:
            content_type = headers.get("Content-Type", "")
            return wire.generation(request, payload, content_type, time.perf_counter() - began)
        if status == 400 and self._limit_key == "max_tokens" and wire.wants_other_limit(payload):
            self._limit_key = "max_completion_tokens"
            return await self._attempt(request, empties)
        payload = self._scrub(payload)
        reason = f"the server answered with status {status}"
        failed = failure(status, headers, reason)
        raise failed if failed is not None else wire.refusal(request, status, payload, self._window)

    async def _refuse_too_long(self, request: Request) -> None:
        """Raise `PromptRefused` for a prompt that is too long by the server's own count, before it is sent."""
        body = orjson.dumps({"model": self._name, "messages": wire.messages(request), "add_generation_prompt": True})
        status, _, payload = await self._send("POST", self._base.removesuffix("/v1") + "/tokenize", body)
        counted = orjson.loads(payload).get("count") if status == 200 else None
        if isinstance(counted, int) and counted + request.prompt.max_new_tokens > self._window:
            raise PromptRefused(
                f"the server counts {counted} tokens for the prompt of {request.request_id}",
                limit=self._window,
                counted=counted,
            )

    async def _send(self, method: str, url: str, data: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body. Raises `_Away` or `Transient`; neither holds a header of the request."""
        if self._session is None:
            raise EngineUnavailable("the openai engine is not running")
        try:
            async with self._session.request(method, url, data=data, allow_redirects=False) as response:
                return response.status, dict(response.headers), await response.read()
        except _UNREACHABLE as error:
            raise _Away(f"can't connect to {self._base}: {self._scrub_text(str(error))}") from None
        except TimeoutError:
            raise Transient(f"no answer within {self._engine.request_timeout_s:g} s") from None
        except _BROKEN as error:
            raise Transient(f"the connection broke: {type(error).__name__}") from None

    async def _answers(self) -> bool:
        """Whether the server is there at all."""
        try:
            status, _, _ = await self._send("GET", self._base + "/models")
        except (EngineError, TimeoutError):
            return False
        return status < 500

    async def _model_card(self) -> wire.Json:
        """What `/v1/models` says of our model; empty where the server has no such list."""
        try:
            status, _, payload = await self._send("GET", self._base + "/models")
        except AttemptFailed as error:
            raise EngineError(f"engine.base_url: {self._base} does not answer: {error}") from None
        except _Away as error:
            raise EngineError(f"engine.base_url: {error}; start the server or correct the address") from None
        if status in (401, 403):
            raise EngineError(
                f"{self._base} refused the key (status {status}); check the variable of engine.api_key_env"
            )
        cards = orjson.loads(payload).get("data", []) if status == 200 else []
        if self._engine.model is None:
            if len(cards) != 1:
                names = ", ".join(sorted(str(card.get("id")) for card in cards)[:10]) or "no list"
                raise ConfigError(
                    f"engine.model: not set, expected the name of a model of {self._base} (it has {names})"
                )
            return dict(cards[0])
        found = next((card for card in cards if card.get("id") == self._engine.model), None)
        if cards and found is None:
            names = ", ".join(sorted(str(card.get("id")) for card in cards)[:10])
            raise ConfigError(f"engine.model: found {self._engine.model}, expected a model of {self._base} ({names})")
        return found or {}

    def _smallest_window(self, served: int | None) -> int:
        """The smallest of what the user, the server and the model say."""
        wanted = self._engine.max_model_len or self._model.max_model_len
        said = [length for length in (wanted, served) if length is not None]
        if not said:
            said = [length for length in (_own_limit(self._model),) if length is not None]
        if not said:
            raise ConfigError(
                f"engine.max_model_len: {self._base} does not tell its window; set engine.max_model_len=N"
            )
        return min(said)

    async def _same_tokenizer(self) -> bool:
        """Whether ids of our tokenizer mean the same to the server.

        Raises `ConfigError` where they don't: then all counts are wrong too. False where we have no tokenizer.
        """
        try:
            ours = load_tokenizer(self._model.path, revision=self._model.revision)
        except ConfigError:
            return False
        body = orjson.dumps({"model": self._name, "prompt": _CHECK, "add_special_tokens": False})
        status, _, payload = await self._send("POST", self._base.removesuffix("/v1") + "/tokenize", body)
        if status != 200:
            return True
        theirs = orjson.loads(payload).get("tokens")
        if list(ours(_CHECK, add_special_tokens=False)["input_ids"]) != theirs:
            raise ConfigError(
                f"model.path: the tokenizer of {self._model.path} is not that of the server's model {self._name}; "
                "set model= or model.path= to the model that the server runs, or model=remote to estimate"
            )
        return True

    def _scrub(self, payload: bytes) -> bytes:
        return payload.replace(self._key.encode(), b"[key]") if self._key else payload

    def _scrub_text(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


class _Away(EngineError):
    """The server can't be connected to."""


def _address(engine: EngineConfig) -> str:
    if engine.base_url is None:
        raise ConfigError("engine.base_url: not set, expected the server's address, as http://127.0.0.1:8000/v1")
    parts = urlsplit(engine.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"engine.base_url: found {engine.base_url}, expected an address as http://127.0.0.1:8000/v1")
    if parts.password is not None:
        raise ConfigError("engine.base_url: holds a password; name a variable in engine.api_key_env instead")
    return engine.base_url.rstrip("/")


def _key(engine: EngineConfig) -> str:
    if engine.api_key_env is None:
        return ""
    key = os.environ.get(engine.api_key_env, "").strip()
    if not key:
        raise ConfigError(f"engine.api_key_env: the environment variable {engine.api_key_env} is not set or is empty")
    return key


def _own_limit(model: ModelConfig) -> int | None:
    """The model's own window where `model.path` can be read and is the server's model."""
    try:
        return None if model.stand_in else model_limit(model)
    except ConfigError:
        return None


@engine("openai", uses={"base_url", "model", "api_key_env"})
def _make(setup: EngineSetup) -> OpenAIEngine:
    return OpenAIEngine(setup.engine, setup.model, listener=setup.listener)
