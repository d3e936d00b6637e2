"""Runs of words that come back, found for all turns at once: words become numbers, and sorting finds what is alike.

Sets of tuples of words say the same at twice the cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
    begins: Numbers
    """The run that begins at each word, whether or not a turn ends in it."""

    @property
    def different(self) -> int:
        """How many runs there are in all turns together."""
        return int(np.count_nonzero(self.run[1:] != self.run[:-1])) + (self.run.size > 0)

    def shared(self, back: int) -> Numbers:
        """How many runs each turn shares with the turn before it, the one before that, ...: turns x `back`."""
        common = np.zeros((self.sizes.size, back + 1), np.int64)
        for step in range(1, back + 1):
            same = np.flatnonzero(self.run[step:] == self.run[:-step])
            if not same.size:
                break
            turn = self.turn[same + step]
            distance = turn - self.turn[same]
            near = distance <= back
            np.add.at(common, (turn[near], distance[near]), 1)
        return common[:, 1:]

    def in_many(self, least: float) -> Mapping[int, list[int]]:
        """The runs that at least so many turns hold, with these turns."""
        bounds = np.flatnonzero(np.diff(self.run, prepend=-1, append=-1))
        often = np.flatnonzero(np.diff(bounds) >= least)
        places = zip(bounds[often].tolist(), bounds[often + 1].tolist(), strict=True)
        return {int(self.run[begin]): self.turn[begin:end].tolist() for begin, end in places}

    def place(self, run: int) -> int:
        """The first word of a run, counted over all turns."""
        return int(np.argmax(self.begins == run))


class Words:
    """The words of some turns."""

    def __init__(self, turns: Sequence[Sequence[str]]) -> None:
        self.all = list(chain.from_iterable(turns))
        self._turns = len(turns)
        self._turn = np.repeat(np.arange(len(turns)), list(map(len, turns)))
        number = {word: rank for rank, word in enumerate(dict.fromkeys(self.all))}
        self._number = np.fromiter(map(number.__getitem__, self.all), np.int64, len(self.all))
        self.different = len(number)

    @cached_property
    def twos(self) -> Runs:
        """The runs of two words."""
        return self._runs(self._two[0], 2)

    @cached_property
    def threes(self) -> Runs:
        return self._runs(self._two[0][:-1] * self.different + self._number[2:], 3)

    @cached_property
    def fours(self) -> Runs:
        twos, kinds = self._two
        return self._runs(twos[:-2] * kinds + twos[2:], 4)

    @cached_property
    def _two(self) -> tuple[Numbers, int]:
        """The pair that begins at each word, numbered so that two pairs in one number never overflow; and how many
        there are."""
        kinds, pairs = np.unique(self._number[:-1] * self.different + self._number[1:], return_inverse=True)
        return pairs, kinds.size

    def _runs(self, begins: Numbers, length: int) -> Runs:
        first, last = self._turn[: begins.size], self._turn[length - 1 :]
        entries = np.sort((begins * self._turns + first)[first == last])
        entries = entries[np.flatnonzero(np.diff(entries, prepend=-1))]
        run = entries // max(self._turns, 1)
        turn = entries - run * self._turns
        return Runs(run, turn, np.bincount(turn, minlength=self._turns), begins)
