"""The start-up proof that a template can be rendered incrementally.

It grows conversations of many shapes by one exchange at a time and compares the ids with full rendering at every
step. What it must catch: templates that treat the first, the last or the number of messages differently, that strip
or rewrite content by its position, and tokenizers that merge characters across the place where messages meet.
"""

from collections.abc import Sequence
from string import ascii_letters, digits, punctuation
from typing import TYPE_CHECKING

from harness.context.render.encoder import Encode
from harness.context.render.layout import ChatLayout
from harness.context.render.template import ExchangeTemplate
from harness.types import Message, Role

if TYPE_CHECKING:
    from harness.context.render.renderer import Renderer

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
"""How contents may begin and end. Each is set next to every other."""

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
"""Contents with which a template should have nothing to do but to write them."""
_CHARACTERS = ascii_letters + digits + punctuation
ADDED = "\n\n(Begin with what you feel, and stop there.)"
"""What may be added to the last message."""
NO_BOUNDARY = "its messages don't meet at a control token"
LONG = 64
"""More messages than this has only the conversation of equal exchanges, whose open ends are all equally long."""
SETTLED = 2
"""The first exchange may leave another open end than the later ones."""


def base(with_system: bool) -> list[Message]:
    """The conversation to which an exchange is appended to see what it adds."""
    return [*([Message("system", "s")] if with_system else []), Message("user", "u")]


def conversations(with_system: bool) -> list[list[Message]]:
    """Conversations that set each of `TEXTS` next to each other one, as every role, and one long conversation."""
    count = len(TEXTS)
    return [
        *(_conversation([TEXTS[(start + step * i) % count] for i in range(9)], with_system)
          for start, step in ((start, step) for step in (1, 2, 4, 5) for start in range(0, count, 4))),
        _conversation(["a", "b"] * 32 + ["a"], with_system),
    ]  # fmt: skip


def why_not(renderer: "Renderer", with_system: bool) -> str | None:
    """Why a renderer's incremental ids can't be trusted; None where every conversation came out right."""
    start = len(base(with_system))
    for conversation in conversations(with_system):
        previous = None
        tails = set()
        for end in range(start, len(conversation) + 1, 2):
            messages = tuple(renderer.message(m.role, m.content, None) for m in conversation[:end])
            previous = renderer.extend(messages, previous)
            if previous.ids != renderer.render_full(messages):
                return f"a conversation of {end} messages is not a shorter one with something appended"
            tails.add(len(previous.checkpoints[-1].tail))
        if len(conversation) > LONG and len(tails) > SETTLED:
            return NO_BOUNDARY
    return None


def lengthens(renderer: "Renderer", with_system: bool) -> bool:
    """Whether text added to the last message comes out where that message ends, for each of `TEXTS` there."""
    for text in TEXTS:
        messages = (*base(with_system), Message("assistant", "I see."), renderer.message("user", text, None))
        longer = renderer.lengthened(renderer.extend(messages, None), ADDED)
        if longer is not None and longer.ids != renderer.render_full(longer.messages):
            return False
    return True


def exchange_template(renderer: "Renderer", layout: ChatLayout) -> ExchangeTemplate | None:
    """What a renderer's template puts around an exchange; None where it does more with a plain one."""
    found = renderer.template.exchange_template(layout.base, layout.length, len(layout.suffix))
    for text in map(renderer.neutralize, PLAIN):
        added = layout.added(renderer.template, Message("assistant", text), Message("user", text))
        if found.filled(text, text) not in (None, added):
            return None
    return found


def heads(renderer: "Renderer", exchange_template: ExchangeTemplate) -> tuple[str, ...]:
    """What stands before contents, from a control token on, where they then have the ids that they have alone.

    For a tokenizer of which it is known that what it takes for a word is decided where two words meet.
    """
    cut, boundaries = renderer.template.cut, renderer.template.boundaries
    before = (cut(text)[-1] for text in (exchange_template.after + exchange_template.before, exchange_template.between))
    return tuple(head for head in before if head.startswith(boundaries) and begins_contents(renderer.encode, head))


def begins_contents(encode: Encode, head: str) -> bool:
    """Whether a content that begins with an ASCII character, and no space, has the ids after `head` that it has alone."""
    contents = (form.format(c) for c in _CHARACTERS for form in ("{} y", "{0}{0}x"))
    return all(encode(head + content) == encode(head) + encode(content) for content in contents)


def adds_apart(encode: Encode) -> bool:
    """Whether text that is `like_added` has the ids after a content that it has alone, where that ends with an ASCII
    character and no space."""
    added = encode(ADDED)
    contents = (form.format(c) for c in _CHARACTERS for form in ("y {}", "x{0}{0}"))
    return all(encode(content + ADDED) == encode(content) + added for content in contents)


def like_added(text: str) -> bool:
    """Whether text begins as `ADDED` does."""
    return text.startswith(ADDED[:3])


def _conversation(texts: Sequence[str], with_system: bool) -> list[Message]:
    roles: tuple[Role, Role] = ("user", "assistant")
    turns = [Message(roles[i % 2], text) for i, text in enumerate(texts)]
    return [*([Message("system", texts[-1] + "You are a patient.")] if with_system else []), *turns]
