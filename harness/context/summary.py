"""The running clinical note that stands for the turns that left a view.

Invariants:
- Every prompt of the summarizer fits its own window: the dialogue goes in pieces, each folded into the note so far.
- A note is never empty and never longer than its bound; what can't be made so is a `SummaryFailed`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from harness.context.budget import MIN_ROOM, Window
from harness.context.meter import Meter
from harness.context.render.renderer import Renderer
from harness.context.send import deliver
from harness.engines.base import Engine
from harness.errors import EngineUnavailable, HarnessError, PromptRefused, StorageError
from harness.types import FinishReason, Generation, Message, Prompt, Purpose, Request, Retry, Sampling, Turn

if TYPE_CHECKING:
    from jinja2 import Template

GREEDY = Sampling(temperature=0.0)
WORDS_PER_TOKEN = 0.6
"""What a model is asked for, in words, leaves room for what it counts, in tokens."""
SENTENCE_END = re.compile(r"[.!?…。！？](?=[\"'”’)\]]*(?:\s|$))[\"'”’)\]]*|\n")


class SummaryFailed(Exception):
    """No usable note came back; says why."""


@dataclass(frozen=True, slots=True)
class Note:
    """A summary, and what it cost."""

    text: str
    pieces: int
    prompt_tokens: int
    completion_tokens: int
    retries: tuple[Retry, ...] = ()
    """Attempts that failed, of all pieces."""


def clip(text: str, bound: int, count: Callable[[str], int]) -> str:
    """The most whole sentences or lines at the beginning of `text` within `bound` tokens; may be empty."""
    text = text.strip()
    if count(text) <= bound:
        return text
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    fitting = 0
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if count(text[: ends[middle]].strip()) <= bound:
            fitting, low = ends[middle], middle + 1
        else:
            high = middle
    return text[:fitting].strip()


class Summarizer:
    """Writes notes with one model; may be shared by all sessions."""

    def __init__(
        self,
        engine: Engine,
        renderer: Renderer,
        window: Window,
        *,
        note_tokens: int,
        sampling: Sampling = GREEDY,
        adapter: str | None = None,
        template: str = "summary.jinja",
        purpose: Purpose = Purpose.NOTE,
        meter: Meter | None = None,
    ) -> None:
        """`window` is the engine's, shared with the views; `note_tokens` bounds every note; `template` asks for it."""
        self.engine = engine
        self.renderer = renderer
        self.window = window
        self.note_tokens = note_tokens
        self.sampling = sampling
        self.adapter = adapter
        self._template = _template(template)
        self._purpose = purpose
        self._meter = meter

    async def note(self, turns: Sequence[Turn], old: str | None, bound: int, *, seed: int, request_id: str) -> Note:
        """Fold `turns` into the `old` note; at most `bound` (and `note_tokens`) tokens.

        Raises `SummaryFailed`, and `EngineUnavailable` where the engine is gone for everyone.
        """
        bound = min(bound, self.note_tokens)
        lines = [self.renderer.neutralize(f"{turn.speaker.capitalize()}: {turn.text.strip()}") for turn in turns]
        text, pieces, prompt_tokens, completion_tokens = old, 0, 0, 0
        retries: tuple[Retry, ...] = ()
        while lines:
            taken = 0

            async def build(text: str | None = text, piece: int = pieces) -> Request:
                nonlocal taken
                prompt, taken = self._prompt(lines, text, bound)
                name = f"{request_id}/summary-{piece}"
                return Request(prompt, self.sampling, seed, name, adapter=self.adapter, purpose=self._purpose)

            try:
                request, generation = await deliver(self.engine, self.window, build, _ignore, meter=self._meter)
            except (EngineUnavailable, StorageError):
                raise
            except HarnessError as error:
                raise SummaryFailed(f"{type(error).__name__}: {error}") from error
            text = self._accept(generation, bound)
            del lines[:taken]
            pieces += 1
            prompt_tokens += request.prompt.tokens
            completion_tokens += generation.completion_tokens
            retries += generation.retries
        if text is None:
            raise SummaryFailed("there was nothing to summarize")
        return Note(text, pieces, prompt_tokens, completion_tokens, retries)

    def _accept(self, generation: Generation, bound: int) -> str:
        text = generation.text.strip()
        if not text:
            raise SummaryFailed("the note came back empty")
        if generation.finish_reason is FinishReason.LENGTH:
            ends = [match.end() for match in SENTENCE_END.finditer(text)]
            text = text[: ends[-1]] if ends else ""
        text = clip(text, bound, self.renderer.count_text)
        if not text:
            raise SummaryFailed(f"the note came back longer than {bound} tokens without a sentence that ends before")
        return text

    def _prompt(self, lines: Sequence[str], note: str | None, bound: int) -> tuple[Prompt, int]:
        """A prompt over as many of the first `lines` as fit, and how many; the first is shortened if it must."""
        budget = self.window.prompt_budget(bound)
        room = budget - len(self._render(note, "", bound)[1])
        if room < MIN_ROOM:
            raise SummaryFailed(f"a window of {self.window.max_model_len} tokens leaves {room} for the dialogue")
        taken, used = 1, self.renderer.count_text(lines[0]) + 1
        while taken < len(lines) and (used := used + self.renderer.count_text(lines[taken]) + 1) <= room:
            taken += 1
        while True:
            dialogue = self.renderer.shorten("\n".join(lines[:taken]), room)
            messages, ids = self._render(note, dialogue, bound)
            if len(ids) <= budget:
                break
            room -= len(ids) - budget
            if room < 1:
                raise SummaryFailed(f"a window of {self.window.max_model_len} tokens is too small for a summary")
        window = self.window.max_model_len
        return self.renderer.prompt(messages, ids, max_new_tokens=bound, max_model_len=window), taken

    def _render(self, note: str | None, dialogue: str, bound: int) -> tuple[list[Message], Sequence[int]]:
        words = int(bound * WORDS_PER_TOKEN)
        text = self._template.render(note=note, dialogue=dialogue, words=words)
        messages = [self.renderer.message("user", text, None)]
        return messages, self.renderer.render_full(messages)


def _ignore(prompt: Prompt, error: PromptRefused) -> None:
    """A refused summary has no turn of its own to be recorded with; the window has learned from it."""


@cache
def _template(name: str) -> "Template":
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    source = (files("harness.agents") / "prompts" / name).read_text(encoding="utf-8")
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source)
