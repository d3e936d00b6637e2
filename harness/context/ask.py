"""Requests to a speaker's model outside the dialogue: short questions answered as JSON, and notes.

Invariants:
- Every question fits its window: the texts it quotes are shortened to the same length until it does.
- Questions and answers are not part of the dialogue; the caller records the result as an event.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.context.budget import Window
from harness.context.meter import Meter
from harness.context.render.renderer import Renderer
from harness.context.send import deliver
from harness.engines.base import Engine
from harness.errors import EngineUnavailable, HarnessError, PromptRefused, StorageError
from harness.types import Generation, Prompt, Purpose, Request, Sampling

GREEDY = Sampling(temperature=0.0)
SHORTEST_QUOTE = 16
"""Fewest tokens to which a quoted text is shortened; with fewer, a question makes no sense."""


def json_object(text: str) -> Mapping[str, Any] | None:
    """The JSON object in an answer, without the text around it; None if there is no valid one."""
    try:
        found = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or brackets without end
        return None
    return found if isinstance(found, dict) else None


class NoAnswer(Exception):
    """The model could not be asked, or gave no answer. The message says why."""


class StructuredQuery:
    """Asks one model; may be shared by all sessions."""

    def __init__(
        self,
        engine: Engine,
        renderer: Renderer,
        window: Window,
        *,
        max_new_tokens: int,
        adapter: str | None = None,
        sampling: Sampling = GREEDY,
        purpose: Purpose = Purpose.JUDGE,
        meter: Meter | None = None,
    ) -> None:
        """`window` is the engine's, shared with the views; `max_new_tokens` is the longest answer."""
        self.renderer = renderer
        self.window = window
        self.max_new_tokens = max_new_tokens
        self._engine = engine
        self._adapter = adapter
        self._sampling = sampling
        self._purpose = purpose
        self._meter = meter

    async def ask(
        self,
        write: Callable[[Mapping[str, str]], str],
        texts: Mapping[str, str],
        json_schema: Mapping[str, Any],
        *,
        seed: int,
        request_id: str,
    ) -> Generation:
        """The answer to the user message that `write` makes from the (shortened) `texts`.

        Raises `NoAnswer`, or `EngineUnavailable` if the engine is gone for all sessions.
        """
        _, generation = await self.complete(
            lambda: self._prompt(write, texts), seed=seed, request_id=request_id, json_schema=json_schema
        )
        return generation

    async def complete(
        self, fit: Callable[[], Prompt], *, seed: int, request_id: str, json_schema: Mapping[str, Any] | None = None
    ) -> tuple[Prompt, Generation]:
        """The prompt from `fit`, and its answer. `fit` is called again if the window turns out to be smaller.

        Raises `NoAnswer`, or `EngineUnavailable` if the engine is gone for all sessions.
        """

        async def build() -> Request:
            return Request(fit(), self._sampling, seed, request_id, json_schema, self._adapter, self._purpose)

        try:
            request, generation = await deliver(self._engine, self.window, build, _ignore, meter=self._meter)
        except (EngineUnavailable, StorageError):
            raise
        except HarnessError as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        return request.prompt, generation

    def _prompt(self, write: Callable[[Mapping[str, str]], str], texts: Mapping[str, str]) -> Prompt:
        """The question, with its texts as long as the window allows."""
        renderer, budget = self.renderer, self.window.prompt_budget(self.max_new_tokens)
        cap = max(map(renderer.count_text, texts.values()), default=0)
        while True:
            quoted = {name: renderer.shorten(text, cap) for name, text in texts.items()}
            messages = (renderer.message("user", write(quoted), None),)
            ids = renderer.render_full(messages)
            excess = len(ids) - budget
            if excess <= 0:
                window = self.window.max_model_len
                return renderer.prompt(messages, ids, max_new_tokens=self.max_new_tokens, max_model_len=window)
            if cap <= SHORTEST_QUOTE:
                raise NoAnswer(f"a window of {self.window.max_model_len} tokens is too small for the question")
            cap = max(SHORTEST_QUOTE, cap - max(1, excess // max(1, len(texts))))


def _ignore(prompt: Prompt, error: PromptRefused) -> None:
    """A refused question has no turn to record it with; the window has already learned from it."""
