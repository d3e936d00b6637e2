"""What a chat template does, found by trying it: nothing depends on a model's name."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.context.render.controls import Controls, control_tokens, template_controls
from harness.context.render.encoder import Encode
from harness.errors import ConfigError
from harness.types import Message, Role

_MARK = "7041776"
"""A content to look for in what a template renders; its digits also come out of one that changes letters."""


class ExchangeTemplate(NamedTuple):
    """What a template puts around the messages of an exchange that is appended to a conversation.

    Only plain contents fill it: those with which a template has nothing to do but to write them. What begins or ends
    with a space may be trimmed, and what holds a string of the template's source may be looked for.
    """

    before: str
    between: str
    after: str
    literals: tuple[str, ...]
    """The strings of the template's source, but for those that neutralized contents can't hold."""

    def filled(self, answer: str, reply: str) -> str | None:
        """The text that the exchange adds; None where one of its contents is not plain."""
        if self._plain(answer) and self._plain(reply):
            return f"{self.before}{answer}{self.between}{reply}{self.after}"
        return None

    def _plain(self, text: str) -> bool:
        return text != "" and text == text.strip() and not any(map(text.__contains__, self.literals))


class ChatTemplate:
    """The template of one tokenizer, with what it was seen to do."""

    def __init__(self, tokenizer: Any, encode: Encode, *, own: str | None, args: Mapping[str, Any], name: str) -> None:
        """`own` is a template or the name of one of the tokenizer's, None its default; `args` is what it sees besides
        messages, `name` the tokenizer's in errors.

        Raises `ConfigError` where there is no template, it can't render a plain conversation, or a control token can't be
        kept out of a message.
        """
        self._tokenizer = tokenizer
        self._encode = encode
        self._args = args
        self._name = name
        try:
            self._template: str = tokenizer.get_chat_template(own)
        except ValueError as error:
            raise ConfigError(f"{name}: no chat template; name a Jinja file in model.chat_template") from error
        self.has_system = self._accepts_system()
        """Whether a system message reaches the prompt; where not, its text goes into the first user message."""
        self.controls = self._find_controls()
        """The strings that a message must not hold."""
        self.stop_ids = self._find_stop_ids()
        """Ids of the tokens that end an assistant's turn."""
        self.boundaries = self._find_boundaries()
        """Control tokens at which a prompt can be cut without changing its ids on either side."""
        self._literals = tuple(text for text in _literals(self._template) if text == self.controls.neutralize(text))

    def exchange_template(self, base: Sequence[Message], begin: int, end: int) -> ExchangeTemplate:
        """What is put around the messages that follow `base`: of the rendered text from `begin` to `end` characters
        before its end."""
        marks = "Qzx1", "Jwv2"
        text = self.render([*base, Message("assistant", marks[0]), Message("user", marks[1])])
        before, _, rest = text[begin : len(text) - end].partition(marks[0])
        between, _, after = rest.partition(marks[1])
        return ExchangeTemplate(before, between, after, self._literals)

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt as text: the plain `apply_chat_template` with the generation prompt."""
        return str(
            self._tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in messages],
                chat_template=self._template,
                add_generation_prompt=True,
                tokenize=False,
                **self._args,
            )
        )

    def cut(self, text: str) -> list[str]:
        """Text cut before every control token at which a prompt can be cut."""
        places = {0, len(text)}
        for token in self.boundaries:
            place = text.find(token)
            while place >= 0:
                places.add(place)
                place = text.find(token, place + 1)
        return [text[begin:end] for begin, end in pairwise(sorted(places))] or [""]

    def _accepts_system(self) -> bool:
        from jinja2 import TemplateError

        user, answer = Message("user", "x"), Message("assistant", "y")
        try:
            for turns in ([user], [user, answer, user]):
                self.render(turns)
        except TemplateError as error:
            raise ConfigError(f"{self._name}: its chat template can't render a plain conversation: {error}") from error
        try:
            return all(
                _MARK in self.render([Message("system", _MARK), *turns]) for turns in ([user], [user, answer, user])
            )
        except TemplateError:
            return False

    def _probe(self, *, with_system: bool) -> list[str]:
        """The text that the template puts before, between and after messages."""
        roles: list[Role] = ["system"] if with_system else []
        roles += ["user", "assistant", "user", "assistant", "user"]
        return self.render([Message(role, _MARK) for role in roles]).split(_MARK)

    def _find_controls(self) -> Controls:
        added = [(token.content, token.special) for token in self._tokenizer.added_tokens_decoder.values()]
        normalizer = getattr(getattr(self._tokenizer, "backend_tokenizer", None), "normalizer", None)
        strings = control_tokens(added) | template_controls(self._template, self._probe(with_system=self.has_system))
        controls = Controls(strings, normalizer.normalize_str if normalizer else None)
        self._check_controls(controls, set(self._tokenizer.added_tokens_decoder))
        return controls

    def _check_controls(self, controls: Controls, added_ids: set[int]) -> None:
        added = self._tokenizer.added_tokens_decoder
        for text in sorted(controls.strings):
            ids = set(self._encode(f"a {controls.neutralize(text)} b")) & added_ids
            if any(added[i].content in controls.strings for i in ids):
                raise ConfigError(f"{self._name}: its control token {text!r} can't be kept out of a message")

    def _find_stop_ids(self) -> tuple[int, ...]:
        pieces = self._probe(with_system=False)
        after_answer = self._encode(pieces[-2]) if len(pieces) > 1 else ()  # it may hide contents
        added = self._tokenizer.added_tokens_decoder
        controls = (i for i in after_answer if i in added and added[i].content in self.controls.strings)
        ends = [self._tokenizer.eos_token_id, next(controls, None)]
        return tuple(dict.fromkeys(i for i in ends if i is not None))

    def _find_boundaries(self) -> tuple[str, ...]:
        normalizes = getattr(getattr(self._tokenizer, "backend_tokenizer", None), "normalizer", None) is not None
        around = "".join(self._probe(with_system=self.has_system))
        return tuple(
            token.content
            for token in self._tokenizer.added_tokens_decoder.values()
            if token.content in self.controls.strings
            and token.content in around
            and not (token.lstrip or token.single_word or (token.normalized and normalizes))
        )


def _literals(source: str) -> tuple[str, ...]:
    """The strings that a Jinja source compares with, splits at or replaces: all of them, since any may be; without
    those that hold another one."""
    from jinja2 import Environment

    quoted = [value[1:-1] for _, kind, value in Environment().lex(source) if kind == "string"]
    strings = {text.encode("ascii", "backslashreplace").decode("unicode-escape") for text in quoted} - {""}
    return tuple(sorted(text for text in strings if not any(other in text for other in strings - {text})))
