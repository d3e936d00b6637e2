"""Repeated word n-grams, found for all turns at once: words become numbers, and sorting finds equal runs.

Sets of tuples of words give the same results at twice the cost. All speakers are sorted together, each as a group of
its own, because for one session the overhead of a numpy call exceeds its work.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class NGrams:
    """Which turns contain which runs of words: one entry for each distinct run of a turn, sorted by run, then by turn.

    A run that occurs in two groups of turns counts as two runs: its number times the number of groups, plus the number
    of the group.
    """

    run: Numbers
    """The run of each entry, as a number."""
    turn: Numbers
    """The turn of each entry."""
    sizes: Numbers
    """The number of entries of each turn."""
    groups: int

    def different(self) -> list[int]:
        """For each group, the number of distinct runs in all its turns."""
        found: list[int] = np.bincount(self.run[_new(self.run)] % self.groups, minlength=self.groups).tolist()
        return found

    def shared(self, back: int) -> Numbers:
        """The number of runs that each turn shares with each of the `back` turns before it, as (turns, `back`)."""
        held = ~_new(self.run)
        held[:-1] |= held[1:]
        run, turn = self.run[held], self.turn[held]
        found = [np.empty(0, np.int64)]
        for step in range(1, back + 1):
            same = (run[step:] == run[:-step]).nonzero()[0]
            if not same.size:
                break
            later = turn[same + step]
            distance = later - turn[same]
            found.append((later * (back + 1) + distance)[distance <= back])
        counts = np.bincount(np.concatenate(found), minlength=self.sizes.size * (back + 1))
        return counts.reshape(self.sizes.size, back + 1)[:, 1:]

    def in_many(self, least: Sequence[float]) -> list[dict[int, list[int]]]:
        """For each group, the runs that occur in at least `least` of its turns, with these turns."""
        found: list[dict[int, list[int]]] = [{} for _ in least]
        begins = _new(self.run).nonzero()[0]
        ends = np.concatenate((begins[1:], [self.run.size]))[: begins.size]
        run = self.run[begins]
        often = ends - begins >= np.array(least)[run % self.groups]
        places = zip(run[often].tolist(), begins[often].tolist(), ends[often].tolist(), strict=True)
        for number, begin, end in places:
            number, group = divmod(number, self.groups)
            found[group][number] = self.turn[begin:end].tolist()
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of some turns, which may form groups."""

    kinds: Sequence[str]
    """The distinct words of the session; the number of a word is its index here."""
    number: Numbers
    """The number of each word."""
    pair: Numbers
    """The number of the pair of each word and the next one."""
    pairs: Numbers
    """The distinct pairs of the session, each as first x kinds + second. The number of a pair is its index here, so that
    two such numbers fit into one without overflow."""
    turn: Numbers
    """The turn of each word."""
    group: Numbers
    """The group of each turn; the turns of a group are consecutive."""
    groups: int

    @classmethod
    def number_all(cls, turns: Sequence[Sequence[str]]) -> "Words":
        """The words of a session as numbers, in one group."""
        ranks = defaultdict[str, int](count().__next__)
        every = list(chain.from_iterable(turns))
        number = np.fromiter(map(ranks.__getitem__, every), np.int64, len(every))
        both = number * len(ranks)
        both[:-1] += number[1:]
        order = both.argsort()
        new = _new(both[order])
        pair = np.empty_like(both)
        pair[order] = new.cumsum() - 1
        turn = np.arange(len(turns)).repeat(list(map(len, turns)))
        return cls(list(ranks), number, pair, both[order[new]], turn, np.zeros(len(turns), np.int64), 1)

    def apart(self, groups: Sequence[Sequence[int]]) -> "Words":
        """The words of the turns in these groups, group by group; turns are numbered from 0 again."""
        turns = list(chain.from_iterable(groups))
        rank = np.full(self.group.size, -1)
        rank[turns] = np.arange(len(turns))
        turn = rank[self.turn]
        held = turn >= 0
        group = np.arange(len(groups)).repeat(list(map(len, groups)))
        return Words(self.kinds, self.number[held], self.pair[held], self.pairs, turn[held], group, len(groups))

    def twos(self) -> NGrams:
        """The runs of two words."""
        return self._runs(self.pair[:-1], 2)

    def threes(self) -> NGrams:
        return self._runs(self.pair[:-2] * len(self.kinds) + self.number[2:], 3)

    def fours(self) -> NGrams:
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

    def _runs(self, begins: Numbers, length: int) -> NGrams:
        turns = self.group.size
        first, last = self.turn[: begins.size], self.turn[length - 1 :]
        held = first == last
        turn = first[held]
        run = begins[held] if self.groups == 1 else begins[held] * self.groups + self.group[turn]
        entries = run * turns + turn
        entries.sort()
        entries = entries[_new(entries)]
        run = entries // max(turns, 1)
        turn = entries - run * turns
        return NGrams(run, turn, np.bincount(turn, minlength=turns), self.groups)


def _new(ordered: Numbers) -> npt.NDArray[np.bool_]:
    """Where a number differs from the one before it."""
    new = np.ones(ordered.size, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new
