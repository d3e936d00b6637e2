"""The constant parts of prompts: one layout for conversations with a system message, one for those without."""

from dataclasses import dataclass

from harness.context.render.template import ChatTemplate, ExchangeTemplate
from harness.types import Message


@dataclass(frozen=True, slots=True)
class ChatLayout:
    """How exchanges are added to a conversation of this kind."""

    base: tuple[Message, ...]
    """A conversation to which an exchange is appended to find the text that it adds."""
    length: int
    """Characters of the rendered base that stay when the conversation continues."""
    suffix: str
    """The rest of the rendered base: the part of the generation prompt that is replaced once the answer is there."""
    exchange_template: ExchangeTemplate | None = None
    """What the template puts around an exchange; None if a trial showed that it changes plain contents."""
    after_last: int = 0
    """Number of pieces of a checkpoint after the one with the last message."""

    def added(self, template: ChatTemplate, answer: Message, reply: Message) -> str:
        """The text that an exchange adds to a conversation, without the suffix."""
        if (
            self.exchange_template is not None
            and (filled := self.exchange_template.filled(answer.content, reply.content)) is not None
        ):
            return filled
        text = template.render([*self.base, answer, reply])
        return text[self.length : len(text) - len(self.suffix)]
