"""The only module that sends requests to an engine.

Invariants:
- No request is sent unless its prompt and reserved answer fit the window.
- A prompt that an engine refuses, or counts as too long, is made smaller and sent again, at most `MAX_REFUSALS` times.
  Refusals never enter the dialogue.
"""

from collections.abc import Awaitable, Callable, Iterable

from harness.context.budget import Window
from harness.context.cut import Rising, believed, cut_at
from harness.context.meter import Meter
from harness.engines.base import Engine
from harness.errors import EngineError, PromptCut, PromptRefused
from harness.types import Event, Generation, Prompt, Request, Retry, Speaker

MAX_REFUSALS = 8


class PromiseBroken(RuntimeError):
    """A prompt that does not fit was about to be sent: a defect in the harness."""


def check(prompt: Prompt) -> None:
    """Raise `PromiseBroken` unless `prompt` fits its window and its token count is right."""
    if prompt.ids is not None and len(prompt.ids) != prompt.tokens:
        raise PromiseBroken(f"a prompt of {len(prompt.ids)} ids was counted as {prompt.tokens} tokens")
    if prompt.max_new_tokens < 1 or prompt.tokens < 1:
        raise PromiseBroken(f"{prompt.tokens} tokens of prompt and {prompt.max_new_tokens} of answer: nothing to say")
    if prompt.tokens + prompt.max_new_tokens > prompt.max_model_len:
        raise PromiseBroken(
            f"{prompt.tokens} tokens of prompt and {prompt.max_new_tokens} of answer exceed {prompt.max_model_len}"
        )


async def send(engine: Engine, request: Request, meter: Meter | None = None) -> Generation:
    """Check a request and send it to an engine. `meter` counts its cost, also if it fails."""
    check(request.prompt)
    try:
        generation = await engine.generate(request)
    except EngineError as error:
        if meter is not None:
            meter.add(request.purpose, error.usage)
        raise
    if meter is not None:
        meter.add(request.purpose, generation.usage)
    return generation


def retry_events(retries: Iterable[Retry], turn: int, speaker: Speaker, of: str) -> tuple[Event, ...]:
    """One event per failed attempt; `of` is what was requested: a `turn`, a `summary`, ..."""
    return tuple(
        Event("retry", turn, speaker, {"by": "engine", "of": of, "reason": r.reason, "wait_s": round(r.wait_s, 3)})
        for r in retries
    )


async def deliver(
    engine: Engine,
    window: Window,
    build: Callable[[], Awaitable[Request]],
    refused: Callable[[Prompt, PromptRefused], None],
    *,
    meter: Meter | None = None,
    rising: Rising | None = None,
) -> tuple[Request, Generation]:
    """Build a request and send it; if the engine refuses or cuts the prompt, build it again for a smaller window.

    Calls `refused` for every refusal, after `window` has learned from it. `rising` has the engine's counts of the prompts
    that this one extends. Returns the request and its answer. Raises the last `PromptRefused`.
    """
    for attempt in range(MAX_REFUSALS + 1):
        request = await build()
        try:
            generation = await send(engine, request, meter)
            counted = believed(request.prompt, generation)
            if counted is not None:
                _refuse_overlong(request, counted)
                _refuse_cut(request, counted, generation.cached_tokens or 0, window, rising)
        except PromptRefused as error:
            if attempt == MAX_REFUSALS:
                raise
            window.learn(error, tokens=request.prompt.tokens, max_new_tokens=request.prompt.max_new_tokens)
            refused(request.prompt, error)
        else:
            if counted is not None:
                window.observe(tokens=request.prompt.tokens, counted=counted)
            return request, generation
    raise AssertionError("unreachable")


def _refuse_cut(request: Request, counted: int, cached: int, window: Window, rising: Rising | None) -> None:
    """Raise `PromptCut` if the engine read only part of the prompt."""
    tokens = request.prompt.tokens
    limit = cut_at(request.prompt, counted, cached, exact=not window.estimated, rising=rising)
    if limit is None:
        if rising is not None:
            rising.saw(tokens, counted)
        return
    message = f"the server read {counted} tokens of the prompt of {request.request_id}, which has about {tokens}"
    raise PromptCut(message, limit=limit)


def _refuse_overlong(request: Request, counted: int) -> None:
    """Raise `PromptRefused` if the prompt was too long by the engine's own count, although the engine answered.

    Only an engine that counts differently, and whose window is larger than the configured one, answers such a prompt.
    """
    limit = request.prompt.max_model_len
    if counted + request.prompt.max_new_tokens > limit:
        message = f"the engine counted {counted} tokens for the prompt of {request.request_id}"
        raise PromptRefused(message, limit=limit, counted=counted)
