"""The behaviour of a chat template, found by trying it: nothing depends on a model's name.

Invariant: every message of a conversation is rendered in full. A template that drops the contents of messages, or cuts
long ones, is refused.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.context.render import answer
from harness.context.render.controls import Controls, control_tokens, template_controls
from harness.context.render.encoder import Encode
from harness.errors import ConfigError, first_line
from harness.models.chat_template import LONGEST_TEMPLATE, render_chat
from harness.types import Message, Role

_MARK = "7041776"
"""A content to look for in rendered text. It has only digits, since a template may change letters."""
_LENGTHS = (1, 3, 5, 41)
"""Messages per conversation; the content of each must be rendered."""
_LONG = 1500
"""Words of a content that must be rendered in full."""


class ExchangeTemplate(NamedTuple):
    """What a template puts around the messages of an exchange that is appended to a conversation.

    It takes plain contents only, those that any template writes unchanged. Contents that begin or end with a space may
    be trimmed, and a template may search contents for any string in its source.
    """

    before: str
    between: str
    after: str
    literals: tuple[str, ...]
    """The strings in the template's source, without those that a neutralized content can't contain."""

    def filled(self, answer: str, reply: str) -> str | None:
        """The text that the exchange adds; None if one of its contents is not plain."""
        if self._plain(answer) and self._plain(reply):
            return f"{self.before}{answer}{self.between}{reply}{self.after}"
        return None

    def _plain(self, text: str) -> bool:
        return text != "" and text == text.strip() and not any(map(text.__contains__, self.literals))


class ChatTemplate:
    """The template of one tokenizer, with the results of trying it."""

    def __init__(self, tokenizer: Any, encode: Encode, *, own: str | None, args: Mapping[str, Any], name: str) -> None:
        """`own` is a template, or the name of one of the tokenizer's; None takes its default. `args` are its arguments
        besides messages, `name` is the name of the tokenizer in errors.

        Raises `ConfigError` if there is no template, if it can't render a plain conversation, or if a control token can't
        be kept out of a message.
        """
        self._tokenizer = tokenizer
        self._encode = encode
        self._args = args
        self._name = name
        try:
            self._template: str = tokenizer.get_chat_template(own)
        except ValueError as error:
            raise ConfigError(f"{name}: no chat template; name a Jinja file in model.chat_template") from error
        if len(self._template) > LONGEST_TEMPLATE:
            found = len(self._template)
            raise ConfigError(f"{name}: its chat template has {found} characters; expected at most {LONGEST_TEMPLATE}")
        self.parts = False
        """Whether contents are lists of parts, as some templates of models with image input expect."""
        self.parts = self._needs_parts()
        self.has_system = self._accepts_system()
        """Whether a system message reaches the prompt; if not, its text goes into the first user message."""
        self.controls = self._find_controls()
        """The strings that a message must not contain."""
        around = self._around()
        added = answer.added_tokens(tokenizer)
        self.answer = answer.answer_format(around, added, name)
        """How to separate an answer from the reasoning before it."""
        self._ends = answer.ends(around, added, self.controls.strings, self.answer.header)
        self.stop_ids = self._find_stop_ids()
        """Ids of the tokens that end an assistant's turn."""
        self.stop_texts = self._ends.texts
        """Texts that end an assistant's turn, if the template ends it with no token."""
        self.boundaries = self._find_boundaries()
        """Control tokens at which a prompt can be cut without changing its ids on either side."""
        self._literals = tuple(text for text in _literals(self._template) if text == self.controls.neutralize(text))

    def exchange_template(self, base: Sequence[Message], begin: int, end: int) -> ExchangeTemplate:
        """What the template puts around the messages that follow `base`, taken from the rendered text between character
        `begin` and `end` characters before its end."""
        marks = "Qzx1", "Jwv2"
        text = self.render([*base, Message("assistant", marks[0]), Message("user", marks[1])])
        before, _, rest = text[begin : len(text) - end].partition(marks[0])
        between, _, after = rest.partition(marks[1])
        return ExchangeTemplate(before, between, after, self._literals)

    @property
    def args(self) -> Mapping[str, Any]:
        """The arguments of the template besides messages."""
        return self._args

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt as text: the plain `apply_chat_template` with the generation prompt."""
        return self._apply(messages, add_generation_prompt=True)

    def content(self, text: str) -> str | list[dict[str, str]]:
        """A message's text in the form that the template reads."""
        return [{"type": "text", "text": text}] if self.parts else text

    def _apply(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        talk = [{"role": message.role, "content": self.content(message.content)} for message in messages]
        try:
            if not _is_usual(self._tokenizer):
                return str(
                    self._tokenizer.apply_chat_template(
                        talk,
                        chat_template=self._template,
                        add_generation_prompt=add_generation_prompt,
                        tokenize=False,
                        **self._args,
                    )
                )
            special = self._tokenizer.special_tokens_map
            text = render_chat(self._template, special, talk, ask=add_generation_prompt, args=self._args)
            text.encode()
        except Exception as error:  # a template is foreign code and can raise anything
            raise ConfigError(
                f"{self._name}: its chat template can't render a conversation: {first_line(error)}"
            ) from error
        return text

    def cut(self, text: str) -> list[str]:
        """Text cut before every control token at which a prompt can be cut."""
        places = {0, len(text)}
        for token in self.boundaries:
            place = text.find(token)
            while place >= 0:
                places.add(place)
                place = text.find(token, place + 1)
        return [text[begin:end] for begin, end in pairwise(sorted(places))] or [""]

    def _needs_parts(self) -> bool:
        """Whether contents are rendered only as parts. Raises `ConfigError` if they are rendered in neither form."""
        why = self._loss()
        if why is None:
            return False
        self.parts = True
        if self._loss() is None:
            return True
        raise ConfigError(f"{self._name}: {why}; name another Jinja file in model.chat_template")

    def _loss(self) -> str | None:
        """Which part of a conversation the template drops; None if it drops nothing."""
        try:
            for count in _LENGTHS:
                marks = _marks(count)
                if answer.pieces(self.render(_conversation(marks)), marks) is None:
                    return f"its chat template drops contents of a conversation of {count} messages"
            whole = " ".join(_marks(_LONG))
            rendered = self.render([Message("user", whole), Message("assistant", whole), Message("user", whole)])
            if answer.pieces(rendered, _marks(_LONG) * 3) is None:
                return f"its chat template drops part of a message of {_LONG:,} words"
        except ConfigError as error:
            return f"its chat template can't render a plain conversation: {first_line(error.__cause__ or error)}"
        return None

    def _accepts_system(self) -> bool:
        try:
            for count in _LENGTHS:
                system, *marks = _marks(count + 1)
                rendered = self.render([Message("system", system), *_conversation(marks)])
                if system not in rendered or answer.pieces(rendered.replace(system, "", 1), marks) is None:
                    return False
        except ConfigError:  # a template without a system role can only say so by raising
            return False
        return True

    def _probe(self, *, with_system: bool) -> list[str]:
        """The text that the template puts before, between and after messages."""
        roles: list[Role] = ["system"] if with_system else []
        roles += ["user", "assistant", "user", "assistant", "user"]
        return self.render([Message(role, _MARK) for role in roles]).split(_MARK)

    def _around(self) -> answer.Around:
        """The text that the template writes around an answer."""
        found = self._probe(with_system=False)
        last = ""
        try:
            talk = _conversation(_marks(4))
            rendered = answer.pieces(self._apply(talk, add_generation_prompt=False), _marks(4))
            last = rendered[-1] if rendered else ""
        except ConfigError:  # some templates require a user message at the end
            last = ""
        return answer.Around(prompt=found[-1], before=found[-3], after=found[-2], last=last)

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
        ends = [self._tokenizer.convert_tokens_to_ids(token) for token in self._ends.tokens]
        return tuple(dict.fromkeys(i for i in (self._tokenizer.eos_token_id, *ends) if i is not None))

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


def _is_usual(tokenizer: Any) -> bool:
    """Whether a tokenizer renders templates with the code of transformers, not with its own."""
    method = type(tokenizer).apply_chat_template
    return str(method.__qualname__).startswith(("PreTrainedTokenizerBase.", "FileTokenizer."))


def _marks(count: int) -> list[str]:
    """Contents of digits; none is part of another."""
    return [f"7041{number:04d}776" for number in range(count)]


def _conversation(contents: Sequence[str]) -> list[Message]:
    roles: tuple[Role, Role] = ("user", "assistant")
    return [Message(roles[number % 2], text) for number, text in enumerate(contents)]


def _literals(source: str) -> tuple[str, ...]:
    """All strings in a Jinja source, since it may compare with, split at or replace any of them; without those that
    contain another one."""
    from jinja2 import Environment

    quoted = [value[1:-1] for _, kind, value in Environment().lex(source) if kind == "string"]
    strings = {text.encode("ascii", "backslashreplace").decode("unicode-escape") for text in quoted} - {""}
    return tuple(sorted(text for text in strings if not any(other in text for other in strings - {text})))
