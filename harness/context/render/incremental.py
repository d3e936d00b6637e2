"""Rendering a prompt from an earlier one: only what was added is rendered and encoded.

The cost of full rendering grows with the history; at 8,000 tokens, incremental rendering takes a fiftieth of it
(scripts/bench/context.py). `proof` decides whether a template and its tokenizer allow it.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from harness.context.render.encoder import Encode
from harness.context.render.layout import ChatLayout
from harness.context.render.template import ChatTemplate
from harness.types import Message

REMEMBERED = 1 << 12
"""Texts cached in neutralized, shortened form for all sessions of a renderer: system texts, and turns until both
speakers have seen them. Each session keeps its own messages."""
CUTS = 256
"""Exchanges whose rendered text is cached."""
GLUE = 64
"""Template texts between contents whose ids are cached: most prompts share them."""
ADDED = "\n\n(Begin with what you feel, and stop there.)"
"""A sample of what may be added to the last message."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place from which the rendering of a conversation can be continued."""

    messages: int
    """Number of messages rendered."""
    stable: int
    """Number of ids that no later message can change: those before the last control token."""
    tail: str
    """Template text from that control token on, without the suffix of its `ChatLayout`."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A view as one prompt."""

    messages: tuple[Message, ...]
    ids: "array[int]"
    """Never changed; later renderings copy its beginning. An array (2 or 4 bytes per token) to save memory: every live
    session holds two of them."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Those before and after the last exchange; empty if rendering is not incremental."""
    pieces: Mapping[str, "array[int]"] = field(default_factory=dict)
    """The text of the last exchange, cut before every control token, with its ids. Another draft, or the next prompt,
    reuses all of them except those of one message."""
    cuts: tuple[str, ...] = ()
    """These pieces in order, up to the last checkpoint."""

    @property
    def tokens(self) -> int:
        return len(self.ids)


class Incremental:
    """Extends and lengthens renderings of one template and tokenizer, as `layouts` says."""

    def __init__(
        self,
        template: ChatTemplate,
        encode: Encode,
        *,
        safe: Callable[[str], str],
        full: Callable[[Sequence[Message]], "array[int]"],
    ) -> None:
        """`safe` removes control strings from a text; `full` renders from scratch, the reference for this class."""
        self.template, self.encode, self.safe, self.full = template, encode, safe, full
        self.layouts: dict[bool, ChatLayout] = {}
        """The layouts that were proven; the key says whether the conversation begins with a system message."""
        self.lengthens = True
        """Whether text added to the last message is rendered right at the end of that message."""
        self._glue_ids = lru_cache(GLUE)(encode)
        self._cut_texts: dict[tuple[str, tuple[Message, ...]], tuple[str, ...]] = {}

    def extend(self, view: tuple[Message, ...], previous: Rendering | None) -> Rendering:
        """Render incrementally: from a checkpoint of `previous`, or from before the last exchange of `view`."""
        if previous is not None and previous.messages == view and previous.checkpoints:
            return previous
        layout = self.layouts[view[0].role == "system"]
        point, ids = _shared(view, previous) or self._start(view, max(len(view) - 2, len(layout.base)))
        points = [point]
        known: Mapping[str, array[int]] = previous.pieces if previous else {}
        pieces: dict[str, array[int]] = {}
        cuts: list[str] = []
        while point.messages < len(view):
            exchange = view[point.messages : point.messages + 2]
            *cuts, tail = self._cuts(point.tail, layout, exchange)
            pieces = {}
            for piece in cuts:
                pieces[piece] = known[piece] if piece in known else self.encode(piece)
                ids += pieces[piece]
            point = Checkpoint(point.messages + 2, len(ids), tail)
            points.append(point)
        return Rendering(
            view, ids + self._glue_ids(point.tail + layout.suffix), tuple(points[-2:]), pieces, tuple(cuts)
        )

    def _cuts(self, tail: str, layout: ChatLayout, exchange: tuple[Message, ...]) -> tuple[str, ...]:
        """The text of an exchange after a tail, cut before every control token. Recent ones are cached: a judge asks the
        same questions about every session."""
        key = (tail, exchange)
        if (found := self._cut_texts.get(key)) is None:
            if len(self._cut_texts) >= CUTS:
                self._cut_texts.clear()
            found = self._cut_texts[key] = tuple(self.template.cut(tail + layout.added(self.template, *exchange)))
        return found

    def _start(self, view: tuple[Message, ...], messages: int) -> tuple[Checkpoint, "array[int]"]:
        text = self.template.render(view[:messages])
        *before, tail = self.template.cut(text[: len(text) - len(self.layouts[view[0].role == "system"].suffix)])
        ids = self.encode("".join(before))
        return Checkpoint(messages, len(ids), tail), ids

    def lengthened(self, rendering: Rendering, added: str) -> Rendering | None:
        """A rendering with text added to its last message, without running the template; None if the template changed
        that message."""
        *before, last = rendering.messages
        layout = self.layouts.get(rendering.messages[0].role == "system")
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
        ids = rendering.ids[:begin] + self.encode(piece + added)
        for other in others:
            ids += pieces[other]
        ids += self._glue_ids(point.tail + layout.suffix)
        return Rendering((*before, Message(last.role, last.content + added)), ids)


def _shared(view: tuple[Message, ...], previous: Rendering | None) -> tuple[Checkpoint, "array[int]"] | None:
    """The last checkpoint of `previous` that `view` continues, and its ids."""
    for point in reversed(previous.checkpoints) if previous else ():
        if previous and previous.messages[: point.messages] == view[: point.messages]:
            return point, previous.ids[: point.stable]
    return None
