"""Renders Jinja templates of users and of models with bounds: no endless loop, no text that fills the memory.

Invariants:
- A rendering takes at most `LONGEST_RENDERING_S` seconds: every step of a loop, every call and filter checks the clock.
- No value is larger than the sandbox's `longest`, and all values together have at most `COPIES` times that size. An
  operation that makes a large value from a small one is checked before it runs.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from jinja2 import Template, TemplateRuntimeError, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

LONGEST_RENDERING_S = 10.0
LARGEST_EXPONENT = 1000
LARGEST_NUMBER = 200_000
"""Largest number as an argument, such as a width or a range."""
LARGEST_INDENT = 100
COPIES = 64
"""Size of all values that a template makes, as a multiple of its longest text."""
_FORBIDDEN = frozenset({"translate", "expandtabs"})
"""String methods that can make a large text from a small one; no template in use calls them."""
_WIDTH = re.compile(r"\d{6,}")
_EACH, _JOINED = "bounded_each", "bounded_joined"
"""Filters that are added around the iterable of each loop, and that replace `~`."""
_SIZED = (str, list, tuple, dict)


@dataclass(slots=True)
class _Left:
    """The time and size that a rendering has left."""

    until: float
    """Deadline on the monotonic clock, in seconds."""
    made: int
    """Characters and entries that may still be made."""


_left: ContextVar[_Left | None] = ContextVar("left", default=None)


class Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox for untrusted templates; render them with `rendered`."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, longest: int, **options: Any) -> None:
        """`longest` bounds the characters of a text, and the entries of a list, that a template makes."""
        super().__init__(**options)
        self.longest = longest
        del self.globals["lipsum"]
        self.filters = {name: self.bounded(name, made) for name, made in self.filters.items()}
        self.filters[_EACH] = _each
        self.filters[_JOINED] = self._joined

    def bounded(self, name: str, made: Callable[..., Any]) -> Callable[..., Any]:
        """A filter whose arguments and result are checked."""
        first = 1 if hasattr(made, "jinja_pass_arg") else 0

        @wraps(made)
        def checked(*args: Any, **named: Any) -> Any:
            _tick()
            value = args[first] if len(args) > first else None
            value = self._listed(value) if isinstance(value, Iterator) else value
            options = (*args[first + 1 :], *named.values())
            self._check_filter(name, value, options, named)
            return self._fits(made(*args[:first], *([value] if len(args) > first else []), *args[first + 1 :], **named))

        return checked

    def call(self, context: Context, obj: Any, *args: Any, **named: Any) -> Any:
        _tick()
        if not isinstance(obj, Macro):
            _check_numbers((*args, *named.values()))
        method = getattr(obj, "__wrapped__", obj)  # jinja2 wraps `format`
        if isinstance(owner := getattr(method, "__self__", None), str):
            args = tuple(self._listed(value) if isinstance(value, Iterator) else value for value in args)
            self._check_method(owner, method.__name__, args, named)
        return self._fits(super().call(context, obj, *args, **named))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and isinstance(right, int | float) and abs(right) > LARGEST_EXPONENT:
            raise SecurityError(f"expected an exponent of at most {LARGEST_EXPONENT}, found {right}")
        if operator == "*":
            times, repeated = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(times, int) and isinstance(repeated, _SIZED):
                self._check_length(len(repeated) * times)
        if operator == "%" and isinstance(left, str):
            self._check_format(left, right if isinstance(right, tuple) else (right,))
        if operator == "+" and isinstance(left, _SIZED) and isinstance(right, _SIZED):
            self._check_length(len(left) + len(right))
        return self._fits(super().call_binop(context, operator, left, right))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = cast(nodes.Template, _Bounds().visit(super()._parse(source, name, filename)))
        tree.set_environment(self)
        return tree

    def _check_filter(self, name: str, value: Any, options: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        _check_numbers(options)
        texts = [option for option in options if isinstance(option, str)]
        if name in ("indent", "tojson"):
            _check_numbers(options, LARGEST_INDENT)
            self._check_length(str(value).count("\n") * max(map(len, texts), default=0) if name == "indent" else 0)
        elif name == "replace" and len(texts) > 1:
            self._check_length(len(str(value)) + str(value).count(texts[0]) * len(texts[1]))
        elif name == "format" and isinstance(value, str):
            self._check_format(value, options)
        elif name in ("join", "sum") and isinstance(value, list | tuple):
            attribute = named.get("attribute", options[1] if len(options) > 1 and name == "join" else None)
            parts = map(make_attrgetter(self, attribute), value) if attribute is not None else value
            between = len(texts[0]) if texts else 0
            self._check_length(sum(between + (len(part) if isinstance(part, _SIZED) else 1) for part in parts))

    def _check_method(self, text: str, name: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        if name in _FORBIDDEN:
            raise SecurityError(f"`{name}` is not allowed in templates")
        if name == "replace" and len(args) > 1 and isinstance(args[0], str) and isinstance(args[1], str):
            self._check_length(len(text) + text.count(args[0]) * len(args[1]))
        elif name == "join" and args and isinstance(args[0], list | tuple):
            self._check_length(sum(len(text) + len(part) for part in args[0] if isinstance(part, str)))
        elif name in ("format", "format_map"):
            self._check_format(text, (*args, *named.values()))

    def _check_format(self, form: str, values: Iterable[Any]) -> None:
        if _WIDTH.search(form):
            raise SecurityError(f"expected widths of at most {LARGEST_NUMBER}")
        values = tuple(values)
        if "*" in form or "{" in form:
            _check_numbers(values)
        places = form.count("{") + form.count("%")
        self._check_length(len(form) + places * max((len(v) for v in values if isinstance(v, _SIZED)), default=0))

    def _check_length(self, length: int) -> None:
        if length > self.longest:
            raise SecurityError(f"expected a text or list of at most {self.longest}, found {length}")

    def _fits(self, value: Any) -> Any:
        if isinstance(value, _SIZED):
            self._check_length(len(value))
            _make(len(value))
        return value

    def _listed(self, items: Iterator[Any]) -> list[Any]:
        found, length = [], 0
        for item in items:
            _tick()
            length += len(item) if isinstance(item, _SIZED) else 1
            self._check_length(length)
            found.append(item)
        return found

    def _joined(self, parts: list[Any]) -> str:
        texts = [str(part) for part in parts]
        self._check_length(sum(map(len, texts)))
        return str(self._fits("".join(texts)))


def rendered(template: Template, longest: int, **values: object) -> str:
    """The text of a template of a `Sandbox`.

    Raises `TemplateRuntimeError` if the text is longer than `longest` characters or takes too long, `SecurityError` for a
    value beyond the bounds, and whatever the template raises.
    """
    token = _left.set(_Left(time.monotonic() + LONGEST_RENDERING_S, COPIES * longest))
    try:
        parts, length = [], 0
        for part in template.generate(**values):
            _tick()
            length += len(part)
            if length > longest:
                raise TemplateRuntimeError(f"expected a prompt of at most {longest} characters")
            parts.append(part)
        return "".join(parts)
    finally:
        _left.reset(token)


def _tick() -> None:
    left = _left.get()
    if left is not None and time.monotonic() > left.until:
        raise TemplateRuntimeError(f"expected a prompt that takes at most {LONGEST_RENDERING_S:g} s to render")


def _make(length: int) -> None:
    left = _left.get()
    if left is not None:
        left.made -= length
        if left.made < 0:
            raise SecurityError(f"makes more than {COPIES} times what a prompt may hold")


def _check_numbers(values: Iterable[Any], largest: int = LARGEST_NUMBER) -> None:
    if any(isinstance(value, int) and abs(value) > largest for value in values):
        raise SecurityError(f"expected numbers of at most {largest} as arguments")


def _each(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _tick()
        yield item


class _Bounds(NodeTransformer):
    """Adds the sandbox's filters to loops and `~`, for which Jinja has no other hook."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, _EACH, [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes, lineno=node.lineno), _JOINED, [], [], None, None, lineno=node.lineno)
