"""The running clinical note that replaces the turns that were evicted from a view.

Invariants:
- Every prompt of the summarizer fits its own window: the dialogue is split, and each piece is folded into the note so far.
- A note is never empty and never longer than its bound; otherwise `NoAnswer` is raised.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from harness.context.ask import NoAnswer, StructuredQuery
from harness.context.budget import MIN_ROOM
from harness.types import FinishReason, Generation, Message, Prompt, Retry, Turn

if TYPE_CHECKING:
    from jinja2 import Template

WORDS_PER_TOKEN = 0.6
"""Words asked for per token of the bound; low enough that the note stays within its bound."""
SENTENCE_END = re.compile(r"[.!?…。！？](?=[\"'”’)\]]*(?:\s|$))[\"'”’)\]]*|\n")


@dataclass(frozen=True, slots=True)
class Note:
    """A summary and its cost."""

    text: str
    pieces: int
    prompt_tokens: int
    completion_tokens: int
    retries: tuple[Retry, ...] = ()
    """Failed attempts, over all pieces."""


def clip(text: str, bound: int, count: Callable[[str], int]) -> str:
    """The longest beginning of `text` that ends with a sentence or line within `bound` tokens; may be empty."""
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

    def __init__(self, query: StructuredQuery, template: str = "summary.jinja") -> None:
        """`query.max_new_tokens` bounds every note; `template` is the prompt that asks for it."""
        self._query = query
        self._renderer = query.renderer
        self._window = query.window
        self._template = _template(template)

    @property
    def note_tokens(self) -> int:
        """Most tokens of a note."""
        return self._query.max_new_tokens

    async def note(self, turns: Sequence[Turn], old: str | None, bound: int, *, seed: int, request_id: str) -> Note:
        """Fold `turns` into the `old` note; at most `bound` (and `note_tokens`) tokens.

        Raises `NoAnswer`, or `EngineUnavailable` if the engine is gone for all sessions.
        """
        bound = min(bound, self.note_tokens)
        lines = [self._renderer.neutralize(f"{turn.speaker.capitalize()}: {turn.text.strip()}") for turn in turns]
        text, pieces, prompt_tokens, completion_tokens = old, 0, 0, 0
        retries: tuple[Retry, ...] = ()
        while lines:
            taken = 0

            def fit(text: str | None = text) -> Prompt:
                nonlocal taken
                prompt, taken = self._prompt(lines, text, bound)
                return prompt

            name = f"{request_id}/summary-{pieces}"
            prompt, generation = await self._query.complete(fit, seed=seed, request_id=name)
            text = self._accept(generation, bound)
            del lines[:taken]
            pieces += 1
            prompt_tokens += prompt.tokens
            completion_tokens += generation.completion_tokens
            retries += generation.retries
        if text is None:
            raise NoAnswer("there was nothing to summarize")
        return Note(text, pieces, prompt_tokens, completion_tokens, retries)

    def _accept(self, generation: Generation, bound: int) -> str:
        text = generation.text.strip()
        if not text:
            raise NoAnswer("the note came back empty")
        if generation.finish_reason is FinishReason.LENGTH:
            ends = [match.end() for match in SENTENCE_END.finditer(text)]
            text = text[: ends[-1]] if ends else ""
        text = clip(text, bound, self._renderer.count_text)
        if not text:
            raise NoAnswer(f"the note came back longer than {bound} tokens without a sentence that ends before")
        return text

    def _prompt(self, lines: Sequence[str], note: str | None, bound: int) -> tuple[Prompt, int]:
        """A prompt with as many of the first `lines` as fit, and their number; the first is shortened if necessary."""
        budget = self._window.prompt_budget(bound)
        room = budget - len(self._render(note, "", bound)[1])
        if room < MIN_ROOM:
            raise NoAnswer(f"a window of {self._window.max_model_len} tokens leaves {room} for the dialogue")
        taken, used = 1, self._renderer.count_text(lines[0]) + 1
        while taken < len(lines) and (used := used + self._renderer.count_text(lines[taken]) + 1) <= room:
            taken += 1
        while True:
            dialogue = self._renderer.shorten("\n".join(lines[:taken]), room)
            messages, ids = self._render(note, dialogue, bound)
            if len(ids) <= budget:
                break
            room -= len(ids) - budget
            if room < 1:
                raise NoAnswer(f"a window of {self._window.max_model_len} tokens is too small for a summary")
        window = self._window.max_model_len
        return self._renderer.prompt(messages, ids, max_new_tokens=bound, max_model_len=window), taken

    def _render(self, note: str | None, dialogue: str, bound: int) -> tuple[list[Message], Sequence[int]]:
        words = int(bound * WORDS_PER_TOKEN)
        text = self._template.render(note=note, dialogue=dialogue, words=words)
        messages = [self._renderer.message("user", text, None)]
        return messages, self._renderer.render_full(messages)


@cache
def _template(name: str) -> "Template":
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    source = (files("harness.agents") / "prompts" / name).read_text(encoding="utf-8")
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source)
