"""Small expressions that choose rows: comparisons, and, or, not, in, arithmetic, and dotted names.

A name is a fact of a row, such as `persona_id`, `metrics.therapist.question_rate`, `scores.mi_coding.empathy` (`_` replaces
a dash) or `meta.quality`. A fact that a row lacks is None: `<` and `>` are false with it, and it equals only None.

Invariant: an expression can use only the facts of a row; there are no calls.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import ConfigError, did_you_mean, some_of

_COMPARED: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: _within(a, b),
    ast.NotIn: lambda a, b: not _within(a, b),
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
LONGEST = 2000
"""Most characters of an expression."""


class Where:
    """A compiled expression; call it with the facts of a row."""

    def __init__(self, text: str, option: str = "--where") -> None:
        """Raises `ConfigError` if `text` is not an expression, or uses more than the allowed syntax."""
        self._option, self.text = option, text
        try:
            if len(text) > LONGEST:
                raise ValueError(f"longer than {LONGEST} characters")
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(
                f"{option}: {text[:80]!r} is not an expression ({getattr(error, 'msg', error)}); "
                "expected one such as \"source == 'simulated' and metrics.therapist.loops < 1\""
            ) from error
        for node in ast.walk(self._tree):
            if not isinstance(node, _ALLOWED):
                raise ConfigError(
                    f"{option}: {type(node).__name__} is not allowed; expected names, numbers, texts, lists, comparisons, "
                    "and, or, not, in, + - * /"
                )
        self._names = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}

    def __call__(self, facts: Mapping[str, Any]) -> bool:
        """Whether the expression is true for a row. Raises `ConfigError` for an unknown name, or values of the wrong type."""
        return bool(self.value(facts))

    def value(self, facts: Mapping[str, Any]) -> Any:
        """The value of the expression for a row. Raises as a call does."""
        for name in self._names - facts.keys():
            raise ConfigError(
                f"{self._option}: a row has no {name!r}{did_you_mean(name, facts)}; it has {some_of(facts, name)}"
            )
        try:
            return self._value(self._tree, facts)
        except (TypeError, ArithmeticError, RecursionError) as error:
            raise ConfigError(f"{self._option}: {self.text[:80]!r}: {error}") from error

    def _value(self, node: ast.AST, facts: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return [self._value(part, facts) for part in parts]
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._fact(node, facts)
            case ast.BoolOp(op=op, values=parts):
                wanted = isinstance(op, ast.Or)
                return wanted if any(bool(self._value(part, facts)) is wanted for part in parts) else not wanted
            case ast.UnaryOp(op=op, operand=operand):
                value = self._value(operand, facts)
                if isinstance(op, ast.Not):
                    return not value
                return None if value is None else -value if isinstance(op, ast.USub) else +value
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self._value(left, facts), self._value(right, facts)
                if a is None or b is None:
                    return None
                if not all(isinstance(number, int | float) for number in (a, b)):
                    raise TypeError(f"can't calculate with {a!r:.40} and {b!r:.40}")
                return _ARITHMETIC[type(op)](a, b)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                values = [self._value(part, facts) for part in (left, *rights)]
                return all(_holds(op, a, b) for op, a, b in zip(ops, values, values[1:], strict=False))
        raise AssertionError(type(node).__name__)

    def _fact(self, node: ast.AST, facts: Mapping[str, Any]) -> Any:
        match node:
            case ast.Name(id=name):
                return facts[name]
            case ast.Attribute(value=inner, attr=name):
                return _part(self._value(inner, facts), name)
            case ast.Subscript(value=inner, slice=key):
                return _part(self._value(inner, facts), self._value(key, facts))
        raise AssertionError(type(node).__name__)


def _within(a: Any, b: Any) -> bool:
    """Whether `a in b`; a missing value is in no text, and nothing is in a missing value."""
    return b is not None and not (a is None and isinstance(b, str)) and a in b


def _holds(op: ast.cmpop, a: Any, b: Any) -> bool:
    if isinstance(op, _ORDERS) and (a is None or b is None):
        return False
    return bool(_COMPARED[type(op)](a, b))


def _part(value: Any, name: Any) -> Any:
    """A part of a fact, by its name as given or with dashes for underscores; None if there is none."""
    if isinstance(value, Mapping):
        return value.get(name, value.get(name.replace("_", "-")) if isinstance(name, str) else None)
    if isinstance(value, list | tuple) and isinstance(name, int) and -len(value) <= name < len(value):
        return value[name]
    return None


_ALLOWED = (
    ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Name, ast.Attribute, ast.Subscript, ast.Load, ast.BoolOp, ast.And,
    ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, *_ARITHMETIC, ast.Compare, *_COMPARED,
)  # fmt: skip
