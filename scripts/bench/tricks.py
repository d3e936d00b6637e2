#!/usr/bin/env python
"""What each trick for speed saves: CPU per turn of `dry` sessions with everything on, and with one trick switched off.

    python scripts/bench/tricks.py [--rounds 5] [--sessions 250] [--trick NAME ...]

A trick that saves less than a tenth of a turn's CPU needs another reason to stay; docs/performance.md says which. Each
measurement runs in a process of its own, the variants in turn; the result is the minimum of the rounds. With a trick
off, the code always takes the path that it takes where the trick does not apply.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def exchange_template() -> None:
    """Render every exchange by the template."""
    from harness.context.render import proof

    proof.exchange_template = lambda parts, layout: None


def lengthened() -> None:
    """Render the last message again when a direction is added to it."""
    from harness.context.render.incremental import Incremental

    Incremental.lengthened = lambda self, rendering, added: None  # type: ignore[method-assign]


def masks() -> None:
    """Rule out no comparison by bits."""
    from harness.guard import features as cut
    from harness.guard import loops

    features, runs, session, stems = cut.features, (1 << cut.RUN_BITS) - 1, (1 << cut.SESSION_BITS) - 1, (1 << 256) - 1

    def every_bit(index: int, text: str) -> cut.Features:
        turn = features(index, text)
        clauses = tuple(clause._replace(mask=stems) for clause in turn.clauses)
        return replace(turn, mask=runs, wide_mask=session, hidden=turn.different, clauses=clauses)

    from harness.guard import guard
    from harness.metrics import speech

    for module in (guard, speech, cut, loops):
        if hasattr(module, "features"):
            module.features = every_bit  # type: ignore[attr-defined]
    loops.SpeakerHistory._least_bits = lambda self, clause, alone: 0  # type: ignore[method-assign]


def hints() -> None:
    """Try every pattern on every text."""
    from harness.guard.patterns import Hinted, Hints

    Hinted.hinted = lambda self, text: True  # type: ignore[method-assign]
    Hints.found = lambda self, text: {hint for _, hint in self._longest_parts}  # type: ignore[method-assign]


class _Sets:
    """`NGrams` as sets of tuples of words."""

    def __init__(self, held: Sequence[set[tuple[str, ...]]], groups: Sequence[int]) -> None:
        import numpy as np

        ends = [sum(groups[: number + 1]) for number in range(len(groups))]
        self._held, self._bounds = held, list(pairwise([0, *ends]))
        self.sizes = np.array([len(one) for one in held], np.int64)

    def different(self) -> list[int]:
        return [len(set[tuple[str, ...]]().union(*self._held[begin:end])) for begin, end in self._bounds]

    def shared(self, back: int) -> Any:
        import numpy as np

        rows = [
            [len(self._held[i] & self._held[i - step]) if i - step >= begin else 0 for step in range(1, back + 1)]
            for begin, end in self._bounds
            for i in range(begin, end)
        ]
        return np.array(rows, np.int64).reshape(len(self._held), back)

    def in_many(self, least: Sequence[float]) -> list[dict[tuple[str, ...], list[int]]]:
        found = []
        for (begin, end), times in zip(self._bounds, least, strict=True):
            counts = Counter(run for one in self._held[begin:end] for run in one)
            often = {run for run, number in counts.items() if number >= times}
            found.append({run: [i for i in range(begin, end) if run in self._held[i]] for run in often})
        return found


class _Words:
    """`Words` without numbers."""

    def __init__(self, turns: Sequence[Sequence[str]], groups: Sequence[int]) -> None:
        import numpy as np

        self._turns, self._groups = turns, groups
        lengths = [len(turn) for turn in turns]
        self.number = np.empty(sum(lengths))
        self.turn = np.arange(len(turns)).repeat(lengths)
        self.group = np.arange(len(groups)).repeat(groups)

    @classmethod
    def number_all(cls, turns: Sequence[Sequence[str]]) -> "_Words":
        return cls(turns, [len(turns)])

    def apart(self, groups: Sequence[Sequence[int]]) -> "_Words":
        return _Words([self._turns[place] for group in groups for place in group], [len(group) for group in groups])

    def _runs(self, length: int) -> _Sets:
        held = [set(zip(*(turn[start:] for start in range(length)), strict=False)) for turn in self._turns]
        return _Sets(held, self._groups)

    def twos(self) -> _Sets:
        return self._runs(2)

    def threes(self) -> _Sets:
        return self._runs(3)

    def fours(self) -> _Sets:
        return self._runs(4)

    def three(self, run: tuple[str, ...]) -> tuple[str, ...]:
        return run

    four = three


def numpy_ngrams() -> None:
    """Count n-grams in sets of tuples of words."""
    from harness.metrics import session

    session.Words = _Words  # type: ignore[attr-defined, assignment]


TRICKS: dict[str, Callable[[], None]] = {
    function.__name__: function for function in (exchange_template, lengthened, masks, hints, numpy_ngrams)
}


def measured(trick: str, sessions: int) -> float:
    """Milliseconds of CPU per turn, in this process."""
    if trick != "none":
        TRICKS[trick]()
    from overhead import Meter, dry

    meter = dry(Meter(), sessions, 20, sessions)
    return 1000 * meter.cpu_s / meter.turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=250)
    parser.add_argument("--trick", nargs="+", choices=list(TRICKS), default=list(TRICKS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(measured(options.one, options.sessions))
        return
    found: dict[str, list[float]] = {name: [] for name in ("none", *options.trick)}
    for _ in range(options.rounds):
        for name, times in found.items():
            command = [sys.executable, __file__, "--one", name, "--sessions", str(options.sessions)]
            times.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]))
    base = min(found["none"])
    for name, times in found.items():
        print(f"{name:<18} {min(times):.4f} ms per turn, {100 * (min(times) / base - 1):+.1f}%", flush=True)


if __name__ == "__main__":
    main()
