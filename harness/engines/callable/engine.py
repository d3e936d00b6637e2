"""A Python function as a speaker: the user's own agent replaces a served model.

The function gets the text of the last message, or, if its parameter is called `messages`, the whole view as a list of
`{"role": ..., "content": ...}`. It returns the turn's text, and may be asynchronous; a plain function runs in a thread.

Invariants:
- An exception in the function, or a result that is not text, fails its own session and no other.
- Functions exist in this process only: a run with one is resumed from Python, with the function given again.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Sequence
from functools import partial

from harness.engines.base import EngineInfo, EngineSetup, engine
from harness.engines.callable.offer import offered, offered_names, parameter
from harness.engines.callable.thread import on_own_thread
from harness.engines.window import context_window
from harness.errors import ConfigError, EngineError, EngineUnavailable, first_line
from harness.models.tokenizer import light_tokenizer
from harness.types import FinishReason, Generation, Message, Request

LONGEST = 1 << 20
"""Characters of an answer."""


class CallableEngine:
    """Answers by calling a function."""

    def __init__(self, setup: EngineSetup) -> None:
        """Raises `ConfigError` if this call offers no function of that name."""
        name = setup.engine.model or ""
        function = offered(name)
        if function is None:
            given = ", ".join(map(repr, offered_names())) or "none"
            raise ConfigError(
                f"engine.model: the run's function {name!r} was not given (given: {given}); a run with a Python function "
                "is started and resumed from Python, as harness.resume(PATH, therapist=my_function)"
            )
        self._name, self._function, self._setup = name, function, setup
        self._takes_messages = parameter(function, name) == "messages"
        self._window = context_window(setup.engine, setup.model)
        self._count: Callable[[str], int] | None = None

    async def start(self) -> EngineInfo:
        """Load the tokenizer for estimating tokens. Raises `ConfigError` if there is none."""
        model = self._setup.model
        tokenizer = await asyncio.to_thread(
            lambda: light_tokenizer(model.path, revision=model.revision, trust_remote_code=model.trust_remote_code)
        )
        self._count = lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
        return EngineInfo(
            "callable", self._name, self._window, counts_as_we_do=False, details=(("function", self._name),)
        )

    async def generate(self, request: Request) -> Generation:
        """Call the function. Raises `EngineError` if it raises, or returns something other than text."""
        if self._count is None:
            raise EngineUnavailable("the callable engine is not running")
        if request.json_schema is not None:
            raise EngineError(f"{self._name}: a function can't be asked for structured output")
        began = time.perf_counter()
        given = self._given(request.prompt.messages)
        try:
            if inspect.iscoroutinefunction(self._function):
                answer = await self._function(given)
            else:
                answer = await on_own_thread(partial(self._function, given))
                if inspect.isawaitable(answer):
                    answer = await answer
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # fails its own session only
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # the run is being stopped; otherwise the function was cancelled by its own code
            raise EngineError(f"{self._name}: {type(error).__name__}: {first_line(error)}") from error
        if not isinstance(answer, str) or not answer.strip():
            raise EngineError(f"{self._name}: expected the turn's text, found {type(answer).__name__} {answer!r:.40}")
        if not _is_valid(answer):
            raise EngineError(f"{self._name}: the turn contains half of a surrogate pair, which is not valid text")
        if len(answer) > LONGEST:
            raise EngineError(f"{self._name}: a turn of {len(answer)} characters; expected at most {LONGEST}")
        return Generation(
            text=answer,
            token_ids=(),
            finish_reason=FinishReason.STOP,
            prompt_tokens=request.prompt.tokens,
            completion_tokens=self._count(answer),
            latency_s=time.perf_counter() - began,
            counted=False,
        )

    def _given(self, messages: Sequence[Message]) -> object:
        if self._takes_messages:
            return [{"role": message.role, "content": message.content} for message in messages]
        return messages[-1].content

    async def close(self) -> None:
        """Nothing to close."""


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@engine("callable", uses={"model"})
def _make(setup: EngineSetup) -> CallableEngine:
    return CallableEngine(setup)
