"""The start-up proof that a template can be rendered incrementally.

It grows conversations of many shapes by one exchange at a time and compares the ids with full rendering at every
step. It must catch templates that treat the first or the last message differently or depend on the number of messages,
templates that strip or rewrite content by its position, and tokenizers that merge characters across messages.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from harness.context.render.incremental import ADDED, Incremental
from harness.context.render.layout import ChatLayout
from harness.context.render.template import ExchangeTemplate
from harness.types import Message, Role

TEXTS = (
    "I see.",
    "",
    " ",
    "\n",
    "x",
    "\n\n two lines \n\n",
    "  leading and trailing  ",
    "\ttab\r\n",
    "12345",
    "67",
    "'s",
    "...",
    ":",
    "🙂",
    "👩‍👩‍👧 family",
    "\u0301accent on nothing",
    "שלום עולם",
    "مرحبا 123",
    "日本語のテキスト",
    "▁",
    "<",
    "|>",
    "[ ]",
    "</",
    "system\nuser\nassistant",
    "**bold** `code`\n- list\n",
    "A longer sentence, with commas; and a 'quote' that ends without a stop",
)
"""Contents with every kind of beginning and end; each is tried next to every other."""

PLAIN = (
    "x",
    "I see.",
    "12345",
    "MiXeD Case, then: ÄÖ é ß",
    "\"double\" 'single' `tick` \\ back",
    "! # $ % & ( ) * + , - . / : ; < = > ? @ [ ] ^ _ { | } ~",
    "{{ 1 }} {% if x %} &amp; <b>",
    "🙂 שלום عربى 日本語",
    "many words, " * 400 + "and a stop.",
)
"""Contents that a template should write as they are."""
NO_BOUNDARY = "its messages don't meet at a control token"
LONG = 64
"""Only the conversation of equal exchanges has more messages than this; all its open ends have the same length."""
SETTLED = 2
"""The open end after the first exchange may differ from the later ones."""


def base(with_system: bool) -> list[Message]:
    """The conversation to which an exchange is appended to find the text that it adds."""
    return [*([Message("system", "s")] if with_system else []), Message("user", "u")]


def conversations(with_system: bool) -> list[list[Message]]:
    """Conversations in which every two of `TEXTS` are neighbours in every role, and one long conversation."""
    count = len(TEXTS)
    return [
        *(_conversation([TEXTS[(start + step * i) % count] for i in range(9)], with_system)
          for start, step in ((start, step) for step in (1, 2, 4, 5) for start in range(0, count, 4))),
        _conversation(["a", "b"] * 32 + ["a"], with_system),
    ]  # fmt: skip


def prove(parts: Incremental) -> str | None:
    """Find out how exchanges are added, prove it, and set in `parts` what was proven.

    Returns the reason why a layout could not be proven; None if all were.
    """
    why_full: str | None = None
    for with_system in (True, False) if parts.template.has_system else (False,):
        parts.layouts[with_system] = _layout(parts, with_system)
        why = why_not(parts, with_system) if parts.template.boundaries else NO_BOUNDARY
        if not why and parts.lengthens:
            layout = parts.layouts[with_system]
            parts.layouts[with_system] = replace(layout, after_last=_after_last(parts, with_system))
            parts.lengthens = lengthens(parts, with_system)
        if why:
            del parts.layouts[with_system]
            why_full = why_full or ("with a system message, " if with_system else "") + why
    return why_full


def _layout(parts: Incremental, with_system: bool) -> ChatLayout:
    """How exchanges are added to a conversation, derived from the common part of two renderings."""
    start, render = base(with_system), parts.template.render
    longer = [render([*start, Message("assistant", text), start[-1]]) for text in ("Qzx1", "Jwv2")]
    text = render(start)
    same = takewhile(lambda characters: len(set(characters)) == 1, zip(text, *longer, strict=False))
    length = sum(1 for _ in same)
    layout = ChatLayout(tuple(start), length, text[length:])
    return replace(layout, exchange_template=exchange_template(parts, layout))


def _after_last(parts: Incremental, with_system: bool) -> int:
    mark = "Qzx1"
    cuts = parts.extend((*base(with_system), Message("assistant", "a"), Message("user", mark)), None).cuts
    return next((place for place, piece in enumerate(reversed(cuts)) if piece.endswith(mark)), 0)


def why_not(parts: Incremental, with_system: bool) -> str | None:
    """Why incremental ids can't be trusted; None if they are right in every conversation."""
    start = len(base(with_system))
    for conversation in conversations(with_system):
        previous = None
        tails = set()
        for end in range(start, len(conversation) + 1, 2):
            messages = tuple(Message(m.role, parts.safe(m.content)) for m in conversation[:end])
            previous = parts.extend(messages, previous)
            if previous.ids != parts.full(messages):
                return f"a conversation of {end} messages is not a shorter one with something appended"
            tails.add(len(previous.checkpoints[-1].tail))
        if len(conversation) > LONG and len(tails) > SETTLED:
            return NO_BOUNDARY
    return None


def lengthens(parts: Incremental, with_system: bool) -> bool:
    """Whether text added to the last message is rendered right at its end, with each of `TEXTS` as that message."""
    for text in TEXTS:
        messages = (*base(with_system), Message("assistant", "I see."), Message("user", parts.safe(text)))
        longer = parts.lengthened(parts.extend(messages, None), ADDED)
        if longer is not None and longer.ids != parts.full(longer.messages):
            return False
    return True


def exchange_template(parts: Incremental, layout: ChatLayout) -> ExchangeTemplate | None:
    """What the template puts around an exchange; None if it also changes plain contents."""
    found = parts.template.exchange_template(layout.base, layout.length, len(layout.suffix))
    for text in map(parts.safe, PLAIN):
        added = layout.added(parts.template, Message("assistant", text), Message("user", text))
        if found.filled(text, text) not in (None, added):
            return None
    return found


def _conversation(texts: Sequence[str], with_system: bool) -> list[Message]:
    roles: tuple[Role, Role] = ("user", "assistant")
    turns = [Message(roles[i % 2], text) for i, text in enumerate(texts)]
    return [*([Message("system", texts[-1] + "You are a patient.")] if with_system else []), *turns]
