"""The one place from which dialogue reaches an engine.

Invariants:
- No request leaves whose prompt and reserved answer do not fit its window.
- A prompt that an engine refuses, or counts as longer than it may be, is made smaller and sent again, at most
  `MAX_REFUSALS` times; the dialogue never sees it.
"""

from collections.abc import Awaitable, Callable, Iterable

from harness.context.budget import Window
from harness.engines.base import Engine
from harness.errors import PromptRefused
from harness.types import Event, Generation, Prompt, Request, Retry, Speaker

MAX_REFUSALS = 8


class PromiseBroken(RuntimeError):
    """A prompt that does not fit was about to be sent: a mistake in this program."""


def check(prompt: Prompt) -> None:
    """Raise `PromiseBroken` unless `prompt` fits its window and is counted right."""
    if prompt.ids is not None and len(prompt.ids) != prompt.tokens:
        raise PromiseBroken(f"a prompt of {len(prompt.ids)} ids was counted as {prompt.tokens} tokens")
    if prompt.max_new_tokens < 1 or prompt.tokens < 1:
        raise PromiseBroken(f"{prompt.tokens} tokens of prompt and {prompt.max_new_tokens} of answer: nothing to say")
    if prompt.tokens + prompt.max_new_tokens > prompt.max_model_len:
        raise PromiseBroken(
            f"{prompt.tokens} tokens of prompt and {prompt.max_new_tokens} of answer exceed {prompt.max_model_len}"
        )


async def send(engine: Engine, request: Request) -> Generation:
    """Hand a checked request to an engine."""
    check(request.prompt)
    return await engine.generate(request)


def retry_events(retries: Iterable[Retry], turn: int, speaker: Speaker, of: str) -> tuple[Event, ...]:
    """What is recorded of the attempts that failed; `of` is what was asked for: a `turn`, a `summary`, ..."""
    return tuple(
        Event("retry", turn, speaker, {"by": "engine", "of": of, "reason": r.reason, "wait_s": round(r.wait_s, 3)})
        for r in retries
    )


async def deliver(
    engine: Engine,
    window: Window,
    build: Callable[[], Awaitable[Request]],
    refused: Callable[[Prompt, PromptRefused], None],
) -> tuple[Request, Generation]:
    """Build a request, send it, and build it again for a smaller window as often as the engine refuses it.

    `refused` is told of every refusal after `window` learned from it. Raises the last `PromptRefused`.
    """
    for attempt in range(MAX_REFUSALS + 1):
        request = await build()
        try:
            generation = await send(engine, request)
            _refuse_overlong(request, generation)
        except PromptRefused as error:
            if attempt == MAX_REFUSALS:
                raise
            window.learn(error, tokens=request.prompt.tokens, max_new_tokens=request.prompt.max_new_tokens)
            refused(request.prompt, error)
        else:
            if generation.counted:
                window.observe(tokens=request.prompt.tokens, counted=generation.prompt_tokens)
            return request, generation
    raise AssertionError("unreachable")


def _refuse_overlong(request: Request, generation: Generation) -> None:
    """Raise `PromptRefused` for an answer to a prompt that was longer than allowed by the engine's own count.

    Only an engine that counts otherwise than we do, and whose window is larger than what we were told, can give one.
    """
    limit, counted = request.prompt.max_model_len, generation.prompt_tokens
    if counted + request.prompt.max_new_tokens > limit:
        message = f"the engine counted {counted} tokens for the prompt of {request.request_id}"
        raise PromptRefused(message, limit=limit, counted=counted)
