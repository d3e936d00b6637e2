"""Runs of words that come back, found for all turns at once: words become numbers, and sorting finds what is alike.

Sets of tuples of words say the same at twice the cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Which turns hold which runs of words: an entry for every different run of a turn, by run and then by turn."""

    run: Numbers
    """Of each entry, as a number."""
    turn: Numbers
    """Of each entry."""
    sizes: Numbers
    """How many entries each turn has."""

    @property
    def different(self) -> int:
        """How many runs there are in all turns together."""
        return int(np.count_nonzero(self.run[1:] != self.run[:-1])) + (self.run.size > 0)

    def shared(self, back: int) -> Numbers:
        """How many runs each turn shares with the turn before it, the one before that, ...: turns x `back`."""
        again = self.run[1:] == self.run[:-1]
        held = np.flatnonzero(np.append(again, False) | np.insert(again, 0, False))
        run, turn = self.run[held], self.turn[held]
        found = [np.empty(0, np.int64)]
        for step in range(1, back + 1):
            same = np.flatnonzero(run[step:] == run[:-step])
            if not same.size:
                break
            later = turn[same + step]
            distance = later - turn[same]
            found.append((later * (back + 1) + distance)[distance <= back])
        counts = np.bincount(np.concatenate(found), minlength=self.sizes.size * (back + 1))
        return counts.reshape(self.sizes.size, back + 1)[:, 1:]

    def in_many(self, least: float) -> Mapping[int, list[int]]:
        """The runs that at least so many turns hold, with these turns."""
        bounds = np.flatnonzero(np.diff(self.run, prepend=-1, append=-1))
        often = np.flatnonzero(np.diff(bounds) >= least)
        places = zip(bounds[often].tolist(), bounds[often + 1].tolist(), strict=True)
        return {int(self.run[begin]): self.turn[begin:end].tolist() for begin, end in places}


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of some turns, numbered once: of a speaker's turns `of` takes what the session's turns hold."""

    kinds: Sequence[str]
    """The different words of the session; a word's number is its place here."""
    number: Numbers
    """Of each word."""
    pair: Numbers
    """Of each word and the one after it."""
    pairs: Numbers
    """The different pairs of the session, each as its words' numbers in one: first x kinds + second. A pair's number is
    its place here, so that two of them make one that never overflows."""
    turn: Numbers
    """Of each word."""
    turns: int

    @classmethod
    def number_all(cls, turns: Sequence[Sequence[str]]) -> "Words":
        """Number the words of a session."""
        every = list(chain.from_iterable(turns))
        ranks = {word: rank for rank, word in enumerate(dict.fromkeys(every))}
        number = np.fromiter(map(ranks.__getitem__, every), np.int64, len(every))
        found, pair = np.unique(number * len(ranks) + np.roll(number, -1), return_inverse=True)
        turn = np.repeat(np.arange(len(turns)), list(map(len, turns)))
        return cls(list(ranks), number, pair, found, turn, len(turns))

    def of(self, turns: Sequence[int]) -> "Words":
        """Those of some turns, which count anew from 0."""
        rank = np.full(self.turns, -1)
        rank[turns] = np.arange(len(turns))
        turn = rank[self.turn]
        held = np.flatnonzero(turn >= 0)
        return Words(self.kinds, self.number[held], self.pair[held], self.pairs, turn[held], len(turns))

    def twos(self) -> Runs:
        """The runs of two words."""
        return self._runs(self.pair[:-1], 2)

    def threes(self) -> Runs:
        return self._runs(self.pair[:-2] * len(self.kinds) + self.number[2:], 3)

    def fours(self) -> Runs:
        return self._runs(self.pair[:-3] * self.pairs.size + self.pair[2:-1], 4)

    def three(self, run: int) -> tuple[str, ...]:
        """The words of a run of three."""
        pair, last = divmod(run, len(self.kinds))
        return (*self._two(pair), self.kinds[last])

    def four(self, run: int) -> tuple[str, ...]:
        first, second = divmod(run, self.pairs.size)
        return (*self._two(first), *self._two(second))

    def _two(self, pair: int) -> tuple[str, str]:
        first, second = divmod(int(self.pairs[pair]), len(self.kinds))
        return self.kinds[first], self.kinds[second]

    def _runs(self, begins: Numbers, length: int) -> Runs:
        first, last = self.turn[: begins.size], self.turn[length - 1 :]
        entries = np.sort((begins * self.turns + first)[first == last])
        entries = entries[np.flatnonzero(np.diff(entries, prepend=-1))]
        run = entries // max(self.turns, 1)
        turn = entries - run * self.turns
        return Runs(run, turn, np.bincount(turn, minlength=self.turns))
