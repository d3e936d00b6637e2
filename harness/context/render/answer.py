"""How a model ends its answer and marks its reasoning, as far as its chat template shows.

The template is rendered around a mark. What it writes before and after an answer is compared with the generation prompt.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.context.render.controls import LABEL, SHAPE
from harness.engines.reasoning import is_marker, left_open, without_reasoning
from harness.errors import ConfigError
from harness.types import AnswerFormat

_SPLIT = re.compile(f"({SHAPE.pattern})")
_HARMONY = ("<|channel|>", "<|message|>")
_HARMONY_START = "<|start|>"
_HARMONY_ENDS = ("<|return|>", "<|call|>")


@dataclass(frozen=True, slots=True)
class Around:
    """What a template writes around an assistant's answer."""

    prompt: str
    """From the end of the user's message to the place where the model begins."""
    before: str
    """From the end of the user's message to an earlier answer."""
    after: str
    """From the end of that answer to the next user message."""
    last: str
    """From the end of an answer that ends the conversation; empty if the template can't render that."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends an answer."""

    tokens: tuple[str, ...]
    texts: tuple[str, ...]


def answer_format(around: Around, added: Mapping[str, bool], name: str) -> AnswerFormat:
    """How to separate reasoning from the answer. `added` maps the tokenizer's added tokens to whether they are special.

    Raises `ConfigError` if the generation prompt opens something that is not known to be reasoning.
    """
    awaits = left_open(around.prompt)
    opened, written = _apart(around.prompt, around.before)
    for marker in SHAPE.findall(without_reasoning(opened)):
        raise ConfigError(
            f"{name}: its chat template opens {marker!r} before the model's answer, and the harness does not know how that ends; "
            "turn it off with model.template_args, or name another Jinja file in model.chat_template"
        )
    header = without_reasoning(written).strip()
    found = header if SHAPE.search(header) else None
    speaks_harmony = any(token in around.prompt + around.before for token in (_HARMONY_START, *_HARMONY))
    if found is None and speaks_harmony and all(token in added for token in _HARMONY):
        found = "<|channel|>final<|message|>"
    special = tuple(text for text, special in added.items() if special)
    tells = any(is_marker(text) or (found is not None and text in found) for text in special)
    return AnswerFormat(awaits, found, special if tells else ())


def ends(around: Around, added: Collection[str], controls: Collection[str], header: str | None) -> Ends:
    """The tokens and texts that end an answer.

    If the model writes a header before its answer, a token that ends an earlier answer may also end its reasoning: then
    only tokens that end the last message of a conversation count.
    """
    if header is not None and any(token in header for token in _HARMONY):
        return Ends(tuple(token for token in _HARMONY_ENDS if token in added), ())
    tokens: list[str] = []
    texts: list[str] = []
    for glue in [around.after, around.last] if header is None else [around.last]:
        token = _first(glue, [control for control in controls if control in added])
        before = glue if token is None else glue[: glue.index(token)]
        text = _first(before, [control for control in controls if control not in added])
        tokens += [] if token is None else [token]
        texts += [] if text is None else [text]
    return Ends(tuple(dict.fromkeys(tokens)), tuple(dict.fromkeys(texts))[:1])


def _first(text: str, controls: Collection[str]) -> str | None:
    """The first control string; a label includes the line break before it."""
    found = [(place, -len(control), control) for control in controls if (place := text.find(control)) >= 0]
    if not found:
        return None
    place, _, control = min(found)
    if LABEL.fullmatch(control) and not control.startswith("#"):
        return "\n" + control if text[:place].endswith("\n") else None
    return control


def _apart(prompt: str, before: str) -> tuple[str, str]:
    """The text before a new answer only, and the text before an earlier answer only. Compared marker by marker, so that
    `<think>` and `</think>` have nothing in common."""
    opened, written = _SPLIT.split(prompt), _SPLIT.split(before)
    while opened and written and opened[0] == written[0]:
        del opened[0], written[0]
    while opened and written and opened[-1] == written[-1]:
        del opened[-1], written[-1]
    return "".join(opened), "".join(written)


def pieces(text: str, marks: Sequence[str]) -> list[str] | None:
    """The text before, between and after the marks, which must occur in this order; None if one is missing."""
    found: list[str] = []
    place = 0
    for mark in marks:
        at = text.find(mark, place)
        if at < 0:
            return None
        found.append(text[place:at])
        place = at + len(mark)
    return [*found, text[place:]]


def added_tokens(tokenizer: Any) -> dict[str, bool]:
    """The added tokens of a tokenizer, and whether each is special."""
    return {token.content: bool(token.special) for token in tokenizer.added_tokens_decoder.values()}
