"""Asks a judge's model one question about a transcript, and assesses the answer.

Invariants:
- Every request is checked against the window; one that can't fit is `does_not_fit`, and no text is shortened.
- A question that is recorded in judgements.jsonl is never sent again, unless it failed.
- After an answer that does not count there is one more attempt, and no more.
"""

import asyncio
import hashlib
import time
from array import array
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from harness.context.budget import Window as EngineWindow
from harness.context.render.incremental import Rendering
from harness.context.render.renderer import Renderer
from harness.context.send import deliver
from harness.engines.base import Engine
from harness.errors import EngineError, EngineUnavailable, PromptRefused
from harness.judges import prompt
from harness.judges.alignment import to_full_block
from harness.judges.answers import answer_schema
from harness.judges.body import Body
from harness.judges.judgements import Judgements
from harness.judges.prompt import DASH, RULE
from harness.judges.records import Judgement
from harness.judges.rubric import Item, Rubric
from harness.judges.status import Status
from harness.judges.subject import Subject
from harness.judges.verdict import Verdict, assess, missing
from harness.types import Message, Prompt, Request, Sampling

ATTEMPTS = 2
MOST_PIECES = 2048


@dataclass(frozen=True, slots=True)
class Ask:
    """One question, without the transcript that it is about."""

    rubric: Rubric
    item: Item
    repeat: int = 0
    order: int = 0
    turn: int | None = None


@dataclass(slots=True)
class Asked:
    """The result of a question."""

    verdict: Verdict
    key: str = ""
    prompt: int = 0
    cached: int = 0
    completion: int = 0


class TooLong(Exception):
    """The request can't fit the window."""


class Judge:
    """One model as a judge, shared by all sessions. With `engine` None, only recorded answers are used."""

    def __init__(
        self,
        name: str,
        fingerprint: str,
        judgements: Judgements,
        *,
        engine: Engine | None,
        renderer: Renderer | None,
        window: EngineWindow | None,
        sampling: Sampling,
        max_new_tokens: int,
        limit: int = 64,
        adapter: str | None = None,
    ) -> None:
        """`limit` is the largest number of requests in flight."""
        self.name = name
        self.fingerprint = fingerprint
        self.judgements = judgements
        self._engine = engine
        self.renderer = renderer
        self.window = window
        self._sampling = sampling
        self.max_new_tokens = max_new_tokens
        self._adapter = adapter
        self.budget = window.prompt_budget(max_new_tokens) if window is not None else 0
        """Most tokens of a prompt, fixed at the start: windows stay the same if the engine corrects its size later."""
        self.limit = limit
        self._room = asyncio.Semaphore(limit)
        self._flying: dict[str, asyncio.Future[Judgement]] = {}
        self._hashes: dict[tuple[int, str], str] = {}
        self._pieces: dict[str, array[int]] = {}
        """Token ids of the texts of questions, which are the same after every transcript."""
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self.sent = 0
        self.reused = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.completion_tokens = 0

    @property
    def asks(self) -> bool:
        """Whether there is a model to ask."""
        return self._engine is not None

    async def ask(self, subject: Subject, body: Body, ask: Ask) -> Asked:
        """The assessed answer. Raises `EngineUnavailable` if the engine can't be used any more, and `StorageError`."""
        tried: str | None = None
        result = Asked(missing(Status.ENGINE_ERROR, "was not asked"))
        for attempt in range(ATTEMPTS):
            key = self.key(body, ask, attempt)
            judgement = self.judgements.get(key)
            if judgement is None:
                if self._engine is None:
                    break
                send = partial(self._send, subject, body, ask, attempt, key, tried)
                judgement = await self._once(key, send)
            else:
                self.reused += 1
            result.key = key
            result.prompt += judgement.prompt_tokens
            result.cached += judgement.cached_tokens
            result.completion += judgement.completion_tokens
            result.verdict = self._assessed(judgement, body, ask)
            if not result.verdict.again:
                break
            tried = result.verdict.reason
        return result

    async def _once(self, key: str, send: Callable[[], Awaitable[Judgement]]) -> Judgement:
        """Send a question. If the same one is in flight (for a session with the same text), wait for its answer instead."""
        flying = self._flying.get(key)
        if flying is None:
            flying = self._flying[key] = asyncio.ensure_future(send())
            flying.add_done_callback(lambda _: self._flying.pop(key, None))
        else:
            self.reused += 1
        return await flying

    def key(self, body: Body, ask: Ask, attempt: int) -> str:
        """SHA-256 over everything that determines the request."""
        parts = (
            body.hash,
            self._item_hash(ask),
            self.fingerprint,
            str(prompt.PROMPT_VERSION),
            str(ask.turn),
            str(ask.order),
            str(ask.repeat),
            str(attempt),
        )
        return hashlib.sha256("/".join(parts).encode()).hexdigest()

    def _assessed(self, judgement: Judgement, body: Body, ask: Ask) -> Verdict:
        if not judgement.fits:
            return missing(Status.DOES_NOT_FIT, "the question does not fit the judge's window")
        if judgement.error is not None:
            return missing(Status.ENGINE_ERROR, judgement.error)
        cut = judgement.finish_reason == "length"
        return assess(judgement.text, ask.item, body.shown, cut=cut, only=ask.turn)

    async def _send(
        self, subject: Subject, body: Body, ask: Ask, attempt: int, key: str, tried: str | None
    ) -> Judgement:
        request_id = f"{subject.session_id}/judge/{ask.rubric.id}/{ask.item.id}/{ask.repeat}.{ask.order}.{attempt}"
        if ask.turn is not None:
            request_id += f"/{ask.turn}"
        request_id += f"/{key[:12]}"  # the windows of one session have the same question
        if not body.asked:
            async with body.warm:
                if not body.asked:
                    try:
                        return await self._answered(subject, body, ask, attempt, key, tried, request_id)
                    finally:
                        body.asked = True
        return await self._answered(subject, body, ask, attempt, key, tried, request_id)

    async def _answered(
        self, subject: Subject, body: Body, ask: Ask, attempt: int, key: str, tried: str | None, request_id: str
    ) -> Judgement:
        assert self._engine is not None
        assert self.window is not None
        schema = self._schema(ask)

        async def build() -> Request:
            fitted = self._prompt(body, ask, tried)
            return Request(fitted, self._sampling, int(key[:15], 16), request_id, schema, self._adapter)

        outcome: dict[str, Any] = {}
        began = time.perf_counter()
        async with self._room:
            try:
                _, answer = await deliver(self._engine, self.window, build, _ignore)
                self.sent += 1
                self.prompt_tokens += answer.prompt_tokens
                self.cached_tokens += answer.cached_tokens or 0
                self.completion_tokens += answer.completion_tokens
                outcome = {
                    "text": answer.text,
                    "finish_reason": str(answer.finish_reason),
                    "prompt_tokens": answer.prompt_tokens,
                    "cached_tokens": answer.cached_tokens or 0,
                    "completion_tokens": answer.completion_tokens,
                }
            except EngineUnavailable:
                raise
            except (TooLong, PromptRefused):
                outcome = {"fits": False}
            except EngineError as error:
                outcome = {"error": f"{type(error).__name__}: {error}"}
        judgement = Judgement(
            key=key,
            session_id=subject.session_id,
            rubric=ask.rubric.id,
            item=ask.item.id,
            judge=self.name,
            window=body.window,
            turn=ask.turn,
            repeat=ask.repeat,
            order=ask.order,
            attempt=attempt,
            latency_s=round(time.perf_counter() - began, 4),
            **outcome,
        )
        self.judgements.add(judgement)
        return judgement

    def _prompt(self, body: Body, ask: Ask, tried: str | None) -> Prompt:
        assert self.renderer is not None
        assert self.window is not None
        text = prompt.question(ask.rubric, ask.item, turn=ask.turn, order=ask.order, tried=tried)
        rendered = self.render(body, text)
        if rendered.tokens > self.window.prompt_budget(self.max_new_tokens):
            raise TooLong
        return self.renderer.prompt(
            rendered.messages,
            rendered.ids,
            max_new_tokens=self.max_new_tokens,
            max_model_len=self.window.max_model_len,
        )

    def render(self, body: Body, question: str) -> Rendering:
        """The whole request as token ids; the part before the question is rendered once."""
        renderer = self.renderer
        assert renderer is not None
        if body.rendering is None:
            self._open(body)
        rendered = renderer.render(self._messages(body, question), body.rendering)
        if len(self._pieces) > MOST_PIECES:
            self._pieces.clear()
        self._pieces.update(rendered.pieces)
        return rendered

    def _open(self, body: Body) -> None:
        """Render the part before the questions so that it ends with a block of the engine's cache."""
        renderer = self.renderer
        assert renderer is not None
        plain = body.rendering = replace(renderer.render(self._messages(body)), pieces=self._pieces)
        short = to_full_block(self.render(body, "A").ids, self.render(body, "B").ids)
        if short:
            body.rule = RULE + DASH * short
            body.rendering = replace(renderer.render(self._messages(body)), pieces=self._pieces)
            if body.rendering.tokens != plain.tokens + short:  # a dash is not a single token for this tokenizer
                body.rule, body.rendering = RULE, plain

    def _messages(self, body: Body, question: str | None = None) -> tuple[Message, ...]:
        renderer = self.renderer
        assert renderer is not None
        text = body.text + body.rule
        texts = prompt.opening(text) if question is None else prompt.messages(text, question)
        safe = [renderer.message(message.role, message.content, None) for message in texts]
        if renderer.has_system:
            return tuple(safe)
        system, first, *rest = safe
        return (Message("user", f"{system.content}\n\n{first.content}"), *rest)

    def _item_hash(self, ask: Ask) -> str:
        key = (id(ask.rubric), ask.item.id)
        if key not in self._hashes:
            self._hashes[key] = ask.rubric.item_hash(ask.item)
        return self._hashes[key]

    def _schema(self, ask: Ask) -> Mapping[str, Any]:
        key = f"{ask.rubric.id}/{ask.item.id}"
        if key not in self._schemas:
            self._schemas[key] = answer_schema(ask.item)
        return self._schemas[key]


def _ignore(prompt: Prompt, error: PromptRefused) -> None:
    """A refused question belongs to no turn, so no event is recorded; the window has been corrected already."""
