"""Exact token ids of a list of messages under a model's own chat template and tokenizer.

Invariants:
- `render(messages).ids == tokenizer(apply_chat_template(messages))`: a prompt is a pure function of its messages,
  so anyone who has the tokenizer can check a recorded count.
- Incremental rendering is used only where `proof` has shown that it gives the same ids as full rendering, and is
  compared with it again at the 1st, 2nd, 4th, 8th, ... rendering for as long as the renderer lives.
- Nothing depends on a model's name: what a template can do is found by trying it.
"""

import logging
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from harness.context.render import proof
from harness.context.render.encoder import WordEncoder, encoder, whole_encoder
from harness.context.render.layout import ChatLayout
from harness.context.render.shorten import shorten
from harness.context.render.template import ChatTemplate
from harness.errors import ConfigError
from harness.models.tokenizer import check_keeps_text, load_tokenizer
from harness.types import Message, Prompt, Role

log = logging.getLogger(__name__)

REMEMBERED = 1 << 12
"""Texts whose neutralized and shortened form, and whose ids, are kept (all sessions of a renderer together): what many
prompts hold, as system texts, and turns until both speakers have seen them; a session keeps its own messages."""
GLUE = 64
"""Texts around contents whose ids are kept: the same in most prompts."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the rendering of a conversation can be continued."""

    messages: int
    """How many messages are rendered."""
    stable: int
    """How many ids no later message can change: those before the last control token."""
    tail: str
    """Template text from that control token on, without the suffix of its `ChatLayout`."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A view as one prompt."""

    messages: tuple[Message, ...]
    ids: "array[int]"
    """Shared with later renderings' prefixes by copy; never changed. An array: 2 or 4 bytes a token, and every live
    session holds two of them."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Before and after the last exchange; empty where rendering is not incremental."""
    pieces: Mapping[str, "array[int]"] = field(default_factory=dict)
    """The text of the last exchange, cut before every control token, with its ids: another draft, or the next prompt,
    changes one of its messages."""
    cuts: tuple[str, ...] = ()
    """These pieces in order, up to the last checkpoint."""

    @property
    def tokens(self) -> int:
        return len(self.ids)


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
    ) -> None:
        """`tokenizer` is a transformers tokenizer; `date` is what a template's `strftime_now` sees (default: now). With
        `stand_in` the prompts are for another model, whose tokenizer is not at hand.

        Raises `ConfigError` where there is no chat template or it can't render a plain conversation.
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
        """Ids of text that stands in a prompt; control strings in it are control tokens."""
        self._encode_whole = whole_encoder(tokenizer, typecode)
        self.template_args = dict(template_args or {})
        """What the user has the template told besides messages."""
        args = {"strftime_now": self.date.strftime, **self.template_args}
        self.template = ChatTemplate(tokenizer, self.encode, own=chat_template, args=args, name=name)
        self._content = lru_cache(REMEMBERED)(self._made_safe)
        self._glue_ids = lru_cache(GLUE)(self.encode)
        self._content_ids = lru_cache(REMEMBERED)(self.encode)
        self._layouts: dict[bool, ChatLayout] = {}
        self._renderings = 0
        self.lengthens = True
        """Whether text that is added to the last message comes out where that message ends."""
        self._adds_apart = isinstance(self.encode, WordEncoder) and proof.adds_apart(self.encode)
        """Whether such text then has the ids that it has alone."""
        self.why_full: str | None = None
        """Why rendering is not incremental; None where it is."""
        self._prove()

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
        tokenizer = load_tokenizer(path, revision=revision, trust_remote_code=trust_remote_code)
        try:
            template = chat_template.read_text(encoding="utf-8") if chat_template else None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"model.chat_template: {chat_template} can't be read: {error}") from error
        return cls(
            tokenizer, chat_template=template, template_args=template_args, date=date, name=str(path), stand_in=stand_in
        )

    @property
    def has_system(self) -> bool:
        """Whether a system message reaches the prompt; where not, its text goes into the first user message."""
        return self.template.has_system

    @property
    def incremental(self) -> bool:
        """Whether a prompt that extends another one costs only what was added."""
        return self.why_full is None

    # Rendering

    def render(self, messages: Sequence[Message], previous: Rendering | None = None) -> Rendering:
        """Ids of `messages` with the generation prompt; reuses what it shares with `previous`, an earlier prompt.

        `messages` is a view: an optional system message, then user and assistant in turn, the last one user.
        """
        view = tuple(messages)
        if (view[0].role == "system") not in self._layouts:
            return Rendering(view, self.render_full(view))
        return self._checked(self.extend(view, previous))

    def lengthen(self, rendering: Rendering, added: str) -> Rendering:
        """A rendering with text added to its last message. For one prompt: others go on from `rendering` itself."""
        longer = self.lengthened(rendering, added) if self.lengthens else None
        if longer is not None:
            return self._checked(longer)
        *before, last = rendering.messages
        return self.render([*before, Message(last.role, last.content + added)], rendering)

    def lengthened(self, rendering: Rendering, added: str) -> Rendering | None:
        """The same without asking the template; None where the last message doesn't stand in it as it is."""
        *before, last = rendering.messages
        layout = self._layouts.get(rendering.messages[0].role == "system")
        point = rendering.checkpoints[-1] if rendering.checkpoints else None
        if layout is None or point is None or not last.content:
            return None
        if last.content != last.content.strip() or added != added.rstrip():  # many templates trim
            return None
        place = len(rendering.cuts) - 1 - layout.after_last
        if place < 0 or not rendering.cuts[place].endswith(last.content):
            return None
        piece, *others = rendering.cuts[place:]
        pieces = rendering.pieces
        begin = point.stable - sum(len(pieces[piece]) for piece in (piece, *others))
        if self._adds_apart and proof.like_added(added) and piece[-1].isascii():
            ids = rendering.ids[: begin + len(pieces[piece])] + self._content_ids(added)
        else:
            ids = rendering.ids[:begin] + self.encode(piece + added)
        for other in others:
            ids += pieces[other]
        ids += self._glue_ids(point.tail + layout.suffix)
        return Rendering((*before, Message(last.role, last.content + added)), ids)

    def _checked(self, rendering: Rendering) -> Rendering:
        """A rendering as it is; compared with full rendering at the 1st, 2nd, 4th, ... time."""
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
        """Rendered messages as a request sends them."""
        plain = Prompt(tuple(messages), ids, len(ids), max_new_tokens, max_model_len, template_args=self.template_args)
        if self.stand_in:
            return plain
        template = self.template
        return replace(plain, stop_ids=template.stop_ids, stop_texts=template.stop_texts, answer=template.answer)

    # Content

    def count_text(self, text: str) -> int:
        """Tokens of a text by itself."""
        return len(self.encode(text))

    def neutralize(self, text: str) -> str:
        """Text in which no control string of this model is left; see `template.controls`."""
        return self.template.controls.neutralize(text)

    def shorten(self, text: str, max_tokens: int) -> str:
        """Text of at most `max_tokens`, cut in its middle with a visible mark; see `shorten`."""
        return shorten(text, max_tokens, self.count_text)

    def message(self, role: Role, text: str, cap: int | None, /) -> Message:
        """Text as it enters a prompt: neutralized, and shortened to `cap` tokens."""
        return Message(role, self._content(text, cap))

    def _made_safe(self, text: str, cap: int | None) -> str:
        text = self.neutralize(text)
        return text if cap is None else self.shorten(text, cap)

    # Incremental rendering

    def extend(self, view: tuple[Message, ...], previous: Rendering | None) -> Rendering:
        """Render incrementally: from a checkpoint of `previous`, or from before the last exchange of `view`."""
        if previous is not None and previous.messages == view and previous.checkpoints:
            return previous
        layout = self._layouts[view[0].role == "system"]
        point, ids = _shared(view, previous) or self._start(view, max(len(view) - 2, len(layout.base)))
        points = [point]
        known: Mapping[str, array[int]] = previous.pieces if previous else {}
        pieces: dict[str, array[int]] = {}
        cuts: list[str] = []
        while point.messages < len(view):
            exchange = view[point.messages : point.messages + 2]
            *cuts, tail = self.template.cut(point.tail + layout.added(self.template, *exchange))
            pieces = {}
            for piece in cuts:
                pieces[piece] = known[piece] if piece in known else self._piece_ids(layout, piece, exchange)
                ids += pieces[piece]
            point = Checkpoint(point.messages + 2, len(ids), tail)
            points.append(point)
        return Rendering(
            view, ids + self._glue_ids(point.tail + layout.suffix), tuple(points[-2:]), pieces, tuple(cuts)
        )

    def _piece_ids(self, layout: ChatLayout, piece: str, exchange: Sequence[Message]) -> "array[int]":
        """Ids of a piece; those of a content are kept, since both speakers' prompts hold it, each after another head."""
        for content in [message.content for message in exchange if message.content]:
            head = piece[: -len(content)]
            if head in layout.heads and piece.endswith(content) and content[0].isascii() and not content[0].isspace():
                return self._glue_ids(head) + self._content_ids(content)
        return self.encode(piece)

    def _start(self, view: tuple[Message, ...], messages: int) -> tuple[Checkpoint, "array[int]"]:
        text = self.template.render(view[:messages])
        *before, tail = self.template.cut(text[: len(text) - len(self._layouts[view[0].role == "system"].suffix)])
        ids = self.encode("".join(before))
        return Checkpoint(messages, len(ids), tail), ids

    # Whether rendering can be incremental, found by trying it

    def _prove(self) -> None:
        for with_system in (True, False) if self.has_system else (False,):
            base = proof.base(with_system)
            longer = [self.template.render([*base, Message("assistant", text), base[-1]]) for text in ("Qzx1", "Jwv2")]
            text = self.template.render(base)
            same = takewhile(lambda characters: len(set(characters)) == 1, zip(text, *longer, strict=False))
            length = sum(1 for _ in same)
            layout = ChatLayout(tuple(base), length, text[length:])
            exchange_template = proof.exchange_template(self, layout)
            heads = (
                proof.heads(self, exchange_template)
                if exchange_template and isinstance(self.encode, WordEncoder)
                else ()
            )
            self._layouts[with_system] = replace(layout, exchange_template=exchange_template, heads=heads)
            why = proof.why_not(self, with_system) if self.template.boundaries else proof.NO_BOUNDARY
            if not why and self.lengthens:
                self._layouts[with_system] = replace(self._layouts[with_system], after_last=self._after_last(base))
                self.lengthens = proof.lengthens(self, with_system)
            if why:
                del self._layouts[with_system]
                self.why_full = self.why_full or ("with a system message, " if with_system else "") + why

    def _after_last(self, base: Sequence[Message]) -> int:
        mark = "Qzx1"
        cuts = self.extend((*base, Message("assistant", "a"), Message("user", mark)), None).cuts
        return next((place for place, piece in enumerate(reversed(cuts)) if piece.endswith(mark)), 0)

    def _stop_incremental(self, why: str) -> None:
        log.warning("%s: incremental rendering is off: %s", self.name, why)
        self._layouts.clear()
        self.why_full = why


def _shared(view: tuple[Message, ...], previous: Rendering | None) -> tuple[Checkpoint, "array[int]"] | None:
    """The last checkpoint of `previous` that `view` continues, and its ids."""
    for point in reversed(previous.checkpoints) if previous else ():
        if previous and previous.messages[: point.messages] == view[: point.messages]:
            return point, previous.ids[: point.stable]
    return None
