"""What is constant in the prompts of conversations of one kind: those with, or those without, a system message."""

from dataclasses import dataclass

from harness.context.render.template import ChatTemplate, ExchangeTemplate
from harness.types import Message


@dataclass(frozen=True, slots=True)
class ChatLayout:
    """How exchanges are added to such a conversation."""

    base: tuple[Message, ...]
    """A conversation to which an exchange is appended to see what it adds."""
    length: int
    """Characters of the rendered base that stay when the conversation goes on."""
    suffix: str
    """The rest of the rendered base: what of the generation prompt does not become part of the answer's turn."""
    exchange_template: ExchangeTemplate | None = None
    """What the template puts around an exchange; None where trying showed that it does more with a plain one."""
    heads: tuple[str, ...] = ()
    """What stands before a content, from a control token on, where the content then has the ids that it has alone."""
    after_last: int = 0
    """Pieces of a checkpoint that follow the one in which the last message stands."""

    def added(self, template: ChatTemplate, answer: Message, reply: Message) -> str:
        """The text that an exchange adds to a conversation, without the suffix."""
        if (
            self.exchange_template is not None
            and (filled := self.exchange_template.filled(answer.content, reply.content)) is not None
        ):
            return filled
        text = template.render([*self.base, answer, reply])
        return text[self.length : len(text) - len(self.suffix)]
