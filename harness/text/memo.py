"""Remembers the results of a function of one argument, in less time than `functools.lru_cache` takes.

`lru_cache` moves each result that it finds to the front of a list. That costs as much as finding it. For words it gains
nothing, since a few thousand make up nearly all text.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 16384
"""Results that are kept; one more, and all are forgotten."""


class _Memo(dict[K, V]):
    def __init__(self, function: Callable[[K], V]) -> None:
        self._function = function

    def __missing__(self, key: K) -> V:
        if len(self) >= MOST:
            self.clear()
        value = self[key] = self._function(key)
        return value


def memo(function: Callable[[K], V]) -> Callable[[K], V]:
    """A decorator for a function of one argument whose results depend on nothing else."""
    return _Memo(function).__getitem__
