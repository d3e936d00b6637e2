"""Averages a grid of settings over all keys but one, to compare `hybrid` with `truncate` over every therapist.

A cell is one combination of values of the other keys.

Invariants:
- Both sides of a difference are means over the same cells. A cell that lacks one of the values is left out for all.
- For each persona and seed, cells are averaged first and count as one pair: they are not independent patients.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.comparison.checks import listed
from harness.comparison.runs import Measured, Pair
from harness.comparison.settings import Setting, key_shown, names, text
from harness.errors import ComparisonError, did_you_mean, some_of


@dataclass(frozen=True, slots=True)
class Margin:
    """The values of one key as settings, each averaged over the same cells."""

    settings: tuple[Setting, ...]
    """One for each value."""
    cells: tuple[str, ...]
    """Names of the cells that each setting is the mean over."""
    left_out: tuple[str, ...]
    """Names of the cells that lack one of the values."""

    @property
    def note(self) -> str:
        """What the numbers are means over, and what is left out."""
        left_out = (
            f"; left out, because not every value was played with them: {listed(self.left_out)}"
            if self.left_out
            else ""
        )
        many = f"{len(self.cells)} combinations" if len(self.cells) != 1 else "1 combination"
        return f"every number is the mean over {many} of the other keys ({listed(self.cells)}){left_out}"


def margin(settings: Sequence[Setting], wanted: str) -> Margin:
    """The settings of a grid averaged over all keys except `wanted`: `context.policy`, `context` or `therapist`.

    Raises `ComparisonError` if the settings don't differ in `wanted`, if they differ in nothing else, or if no cell has
    all its values.
    """
    key = _key(settings, wanted)
    tied = _tied_keys(settings, key)
    rest = [other for other in settings[0].keys if other not in tied]
    if not rest:
        raise ComparisonError(f"--by: the settings differ in nothing but {wanted}; compare them without --by")
    cells: dict[str, dict[str, Setting]] = {}
    for setting in settings:
        cell = cells.setdefault(text([setting.keys[other] for other in rest]), {})
        value = text(setting.keys[key])
        if value in cell:
            raise ComparisonError(f"--by: `{setting.name}` and `{cell[value].name}` have the same values of all keys")
        cell[value] = setting
    values = list(dict.fromkeys(text(setting.keys[key]) for setting in settings))
    whole = [cell for cell in cells.values() if len(cell) == len(values)]
    if not whole:
        raise ComparisonError(
            f"--by: no combination of the other keys was played with every value of {wanted}, so this is no grid"
        )
    firsts = [next(iter(cell.values())) for cell in cells.values()]
    cell_names = dict(zip(cells, names([first.keys for first in firsts], rest), strict=True))
    of_values = [[cell[value] for cell in whole] for value in values]
    own_keys = [{name: value for name, value in own[0].keys.items() if name in tied} for own in of_values]
    averaged = zip(names(own_keys, [key]), own_keys, of_values, strict=True)
    return Margin(
        tuple(_averaged(name, keys, own) for name, keys, own in averaged),
        tuple(cell_names[name] for name, cell in cells.items() if len(cell) == len(values)),
        tuple(cell_names[name] for name, cell in cells.items() if len(cell) < len(values)),
    )


def _key(settings: Sequence[Setting], wanted: str) -> str:
    """The config key that `wanted` names. Raises `ComparisonError` if it names none, or several."""
    keys = list(settings[0].keys)
    exact = [key for key in keys if wanted in (key, key_shown(key))]
    found = exact or [key for key in keys if key.startswith(f"{wanted}.")]
    shown = some_of(map(key_shown, found or keys), wanted)
    if not found:
        near = did_you_mean(wanted, map(key_shown, keys))
        raise ComparisonError(f"--by: the settings don't differ in {wanted}{near}; they differ in {shown}")
    if not _tied_keys(settings, found[0]).issuperset(found):
        raise ComparisonError(f"--by: {wanted} names several keys; expected one of {shown}")
    return found[0]


def _tied_keys(settings: Sequence[Setting], key: str) -> set[str]:
    """The key, and every key whose value is determined by its value."""
    found = {key}
    for other in settings[0].keys:
        pairs = {(text(setting.keys[key]), text(setting.keys[other])) for setting in settings}
        if len(pairs) == len({value for value, _ in pairs}):
            found.add(other)
    return found


def _averaged(name: str, keys: Mapping[str, Any], cells: Sequence[Setting]) -> Setting:
    """One value of the key, averaged over its cells, for the sessions that all of them have."""
    common = set.intersection(*(set(cell.sessions) for cell in cells))
    sessions: Mapping[Pair, Measured] = {
        pair: _mean([cell.sessions[pair] for cell in cells]) for pair in sorted(common)
    }
    return Setting(name=name, keys=keys, runs=tuple(run for cell in cells for run in cell.runs), sessions=sessions)


def _mean(measured: Sequence[Measured]) -> Measured:
    """The mean of every number that all sessions have, so that both sides of a difference are over the same cells."""
    names = {name for one in measured for name in one.numbers}
    means = {name: sum(one.value(name) for one in measured) / len(measured) for name in names}
    known = {name: mean for name, mean in means.items() if not math.isnan(mean)}
    return Measured(known, frozenset.intersection(*(one.sections for one in measured)))
