"""Renders a model's chat template as transformers does (`transformers.utils.chat_template_utils`), with bounds.

A test compares both on all our templates. Importing this module is cheap; jinja2 is imported with the first template.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.ext import Extension
    from jinja2.nodes import Node
    from jinja2.parser import Parser

LONGEST_TEMPLATE = 200_000
"""Characters; the longest templates in use have a tenth of this."""
LONGEST_PROMPT = 1 << 23
"""Characters; far more than the longest windows hold."""


def render_chat(
    source: str,
    special: Mapping[str, str],
    messages: Sequence[Mapping[str, Any]],
    *,
    ask: bool,
    args: Mapping[str, Any],
) -> str:
    """The text of a conversation, with the generation prompt if `ask`. Raises what the template raises.

    `special` are the tokenizer's named tokens, `args` the template's arguments besides messages.
    """
    from harness.reading.sandbox import rendered

    seen = {**special, **args, "messages": messages, "tools": None, "documents": None, "add_generation_prompt": ask}
    return rendered(_compiled(source), LONGEST_PROMPT, **seen)


@cache
def _generation() -> "type[Extension]":
    import jinja2
    from jinja2.ext import Extension

    class Generation(Extension):
        """`{% generation %}` marks an assistant's text for training; in a prompt it is written unchanged."""

        tags = {"generation"}  # noqa: RUF012 (jinja2's own interface)

        def parse(self, parser: "Parser") -> "Node":
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_as_it_is"), [], [], body).set_lineno(line)

        def _as_it_is(self, caller: Any) -> str:
            return str(caller())

    return Generation


@cache
def _compiled(source: str) -> "Template":
    import jinja2
    import jinja2.ext

    from harness.reading.sandbox import Sandbox

    def raise_exception(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    def tojson(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = Sandbox(
        LONGEST_PROMPT, trim_blocks=True, lstrip_blocks=True, extensions=[_generation(), jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = environment.bounded("tojson", tojson)
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(source)
