"""Exact token ids of a list of messages under a model's own chat template and tokenizer.

Invariants:
- `render(messages).ids == tokenizer(apply_chat_template(messages))`: a prompt is a pure function of its messages,
  so anyone who has the tokenizer can check a recorded count.
- Incremental rendering is used only where `proof` has shown that it gives the same ids as full rendering, and is
  compared with it again at the 1st, 2nd, 4th, 8th, ... rendering for as long as the renderer lives.
- Nothing depends on a model's name: the abilities of a template are found by trying it.
"""

import logging
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.context.render import proof
from harness.context.render.encoder import encoder, whole_encoder
from harness.context.render.incremental import REMEMBERED, Incremental, Rendering
from harness.context.render.shorten import shorten
from harness.context.render.template import ChatTemplate
from harness.errors import ConfigError
from harness.models.limits import vocabulary
from harness.models.tokenizer import check_keeps_text, light_tokenizer
from harness.reading.files import read_text
from harness.types import Message, Prompt, Role

log = logging.getLogger(__name__)


class Renderer:
    """Renders messages with one tokenizer and template; shared by all sessions of a model."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        chat_template: str | None = None,
        template_args: Mapping[str, Any] | None = None,
        date: datetime | None = None,
        name: str = "the tokenizer",
        stand_in: bool = False,
        known_ids: int | None = None,
    ) -> None:
        """`tokenizer` is a transformers tokenizer; `date` is what a template's `strftime_now` sees (default: now). With
        `stand_in` the prompts are for another model, whose tokenizer is not at hand; `known_ids` is the size of the
        model's vocabulary, if it is smaller than the tokenizer's.

        Raises `ConfigError` if there is no chat template, or if it can't render a plain conversation.
        """
        check_keeps_text(tokenizer, name)
        self.tokenizer = tokenizer
        self.name = name
        self.stand_in = stand_in
        self.date = date or datetime.now()
        """Fixed when the renderer is made: a run over midnight keeps its prompts. Recorded by the run."""
        self.vocab_size = max(tokenizer.get_vocab().values()) + 1
        typecode = "H" if self.vocab_size <= 1 << 16 else "I"
        self.encode = encoder(tokenizer, proof.TEXTS, typecode)
        """Ids of rendered prompt text; control strings in it become control tokens."""
        self._encode_whole = whole_encoder(tokenizer, typecode)
        self.template_args = dict(template_args or {})
        """Arguments of the template, besides messages, that the user set."""
        args = {"strftime_now": self.date.strftime, **self.template_args}
        self.template = ChatTemplate(tokenizer, self.encode, own=chat_template, args=args, name=name)
        self.stop_ids = tuple(i for i in self.template.stop_ids if known_ids is None or i < known_ids)
        """Ids of the tokens that end an assistant's turn and that the model can sample."""
        self._content = lru_cache(REMEMBERED)(self._made_safe)
        self._renderings = 0
        self.incrementally = Incremental(self.template, self.encode, safe=self.neutralize, full=self.render_full)
        self.why_full = proof.prove(self.incrementally)
        """Why rendering is not incremental; None where it is."""

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        revision: str | None = None,
        chat_template: Path | None = None,
        template_args: Mapping[str, Any] | None = None,
        trust_remote_code: bool = False,
        date: datetime | None = None,
        stand_in: bool = False,
    ) -> "Renderer":
        """Load the tokenizer of a local folder (tokenizer files suffice) or a hub id. Raises `ConfigError`."""
        try:
            template = read_text(chat_template.expanduser()) if chat_template else None
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"model.chat_template: {chat_template} can't be read: {reason}") from error
        tokenizer = light_tokenizer(path, revision=revision, trust_remote_code=trust_remote_code)
        return cls(
            tokenizer,
            chat_template=template,
            template_args=template_args,
            date=date,
            name=str(path),
            stand_in=stand_in,
            known_ids=vocabulary(str(path), revision),
        )

    @property
    def has_system(self) -> bool:
        """Whether a system message reaches the prompt; if not, its text goes into the first user message."""
        return self.template.has_system

    @property
    def incremental(self) -> bool:
        """Whether only the added part of a prompt that extends another one is rendered."""
        return self.why_full is None

    # Rendering

    def render(self, messages: Sequence[Message], previous: Rendering | None = None) -> Rendering:
        """Ids of `messages` with the generation prompt; reuses the part shared with `previous`, an earlier prompt.

        `messages` is a view: an optional system message, then user and assistant alternating, the last one user.
        """
        view = tuple(messages)
        if (view[0].role == "system") not in self.incrementally.layouts:
            return Rendering(view, self.render_full(view))
        return self._checked(self.incrementally.extend(view, previous))

    def lengthen(self, rendering: Rendering, added: str) -> Rendering:
        """A rendering with text added to its last message, for one prompt only: later ones extend `rendering` itself."""
        parts = self.incrementally
        longer = parts.lengthened(rendering, added) if parts.lengthens else None
        if longer is not None:
            return self._checked(longer)
        *before, last = rendering.messages
        return self.render([*before, Message(last.role, last.content + added)], rendering)

    def _checked(self, rendering: Rendering) -> Rendering:
        """Compare a rendering with full rendering at the 1st, 2nd, 4th, ... call; returns the right one."""
        self._renderings += 1
        if self._renderings & (self._renderings - 1) == 0:
            full = self.render_full(rendering.messages)
            if rendering.ids != full:
                self._stop_incremental("a prompt of this run came out differently")
                return Rendering(rendering.messages, full)
        return rendering

    def render_full(self, messages: Sequence[Message]) -> "array[int]":
        """Ids of `messages` from scratch: the reference that incremental rendering must equal."""
        return self._encode_whole(self.template.render(messages))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def prompt(
        self, messages: Sequence[Message], ids: Sequence[int], *, max_new_tokens: int, max_model_len: int
    ) -> Prompt:
        """Rendered messages as the prompt of a request."""
        shown, count, args = tuple(messages), len(ids), self.template_args
        if self.stand_in:
            return Prompt(shown, ids, count, max_new_tokens, max_model_len, template_args=args)
        template = self.template
        return Prompt(
            shown,
            ids,
            count,
            max_new_tokens,
            max_model_len,
            self.stop_ids,
            template.stop_texts,
            template.answer,
            args,
        )

    # Content

    def count_text(self, text: str) -> int:
        """Tokens of a text by itself."""
        return len(self.encode(text))

    def neutralize(self, text: str) -> str:
        """Text in which no control string of this model is left; see `template.controls`."""
        return self.template.controls.neutralize(text)

    def shorten(self, text: str, max_tokens: int) -> str:
        """Text of at most `max_tokens` tokens, cut in its middle with a visible mark; see `shorten`."""
        return shorten(text, max_tokens, self.count_text)

    def message(self, role: Role, text: str, cap: int | None, /) -> Message:
        """A message for a prompt: neutralized, and shortened to `cap` tokens."""
        return Message(role, self._content(text, cap))

    def _made_safe(self, text: str, cap: int | None) -> str:
        text = self.neutralize(text)
        return text if cap is None else self.shorten(text, cap)

    def _stop_incremental(self, why: str) -> None:
        log.warning("%s: incremental rendering is off: %s", self.name, why)
        self.incrementally.layouts.clear()
        self.why_full = why
