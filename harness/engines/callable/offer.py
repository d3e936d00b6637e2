"""The user's functions that one call offers as speakers, by the names under which `engine.model` finds them.

Invariant: a run finds only the functions of its own call, so calls at the same time don't mix.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from harness.errors import ConfigError

Function = Callable[..., str | Awaitable[str]]
_offered: ContextVar[Mapping[str, Function]] = ContextVar("offered_functions")


class Offer:
    """The functions of one call."""

    def __init__(self, functions: Mapping[str, Function | None]) -> None:
        """`functions` are by role; None for a role without one. Raises `ConfigError` for one that can't speak."""
        self.names: dict[str, str] = {}
        """The name of the function of each role."""
        self._functions: dict[str, Function] = {}
        for role, function in functions.items():
            if function is None:
                continue
            if not callable(function):
                raise ConfigError(
                    f"{role}: found {type(function).__name__} {function!r:.40}, expected a name or a function"
                )
            name = (
                f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__name__)}"
            )
            parameter(function, name)
            if self._functions.get(name, function) is not function:  # as two lambdas of one module
                name = f"{name} ({role})"
            self.names[role], self._functions[name] = name, function

    @contextmanager
    def made(self) -> Iterator[None]:
        """Within the block, a run that is opened here finds the functions."""
        token = _offered.set(self._functions)
        try:
            yield
        finally:
            _offered.reset(token)


def offered(name: str) -> Function | None:
    """The function of this name; None if this call offers none."""
    return _offered.get({}).get(name)


def offered_names() -> list[str]:
    """The names of all functions that this call offers."""
    return sorted(_offered.get({}))


def parameter(function: Function, name: str) -> str:
    """Name of the function's only required argument. Raises `ConfigError` if there is not exactly one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of some built-in ones nothing is known
        parameters = {}.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty]
    if not positional or len(needed) > 1:
        raise ConfigError(f"{name}: expected a function of one argument: the text said last, or `messages`")
    return positional[0].name
