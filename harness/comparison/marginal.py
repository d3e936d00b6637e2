"""One setting of a grid over all others: `hybrid` against `truncate`, over every therapist.

Invariants:
- Both sides of a difference have the same cells of the grid: what one value was not played with is left out for all.
- Cells of one persona and seed are averaged first. They are no independent evidence on other patients, so they count as
  one pair.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.comparison.checks import listed
from harness.comparison.runs import Measured, Pair
from harness.comparison.settings import Setting, key_shown, names, text
from harness.errors import ComparisonError, did_you_mean, some_of


@dataclass(frozen=True, slots=True)
class Margin:
    """The values of one key, each over the same cells of the others."""

    settings: tuple[Setting, ...]
    """One for each value."""
    cells: tuple[str, ...]
    """What each is the mean over, by name."""
    left_out: tuple[str, ...]
    """Cells that not every value was played with."""

    @property
    def note(self) -> str:
        """What a reader has to know."""
        out = (
            f"; left out, because not every value was played with them: {listed(self.left_out)}"
            if self.left_out
            else ""
        )
        many = f"{len(self.cells)} combinations" if len(self.cells) != 1 else "1 combination"
        return f"every number is the mean over {many} of the other keys ({listed(self.cells)}){out}"


def margin(settings: Sequence[Setting], wanted: str) -> Margin:
    """The settings of a grid with all keys but one averaged out.

    Raises `ComparisonError` where they don't differ in `wanted` (a key, as `context`, `context.policy` or `therapist`),
    where nothing else differs, or where its values have no cell in common.
    """
    key = _key(settings, wanted)
    together = _with(settings, key)
    rest = [other for other in settings[0].keys if other not in together]
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
    return Margin(
        tuple(_averaged([cell[value] for cell in whole], key, together) for value in values),
        tuple(cell_names[name] for name, cell in cells.items() if len(cell) == len(values)),
        tuple(cell_names[name] for name, cell in cells.items() if len(cell) < len(values)),
    )


def _key(settings: Sequence[Setting], wanted: str) -> str:
    keys = list(settings[0].keys)
    exact = [key for key in keys if wanted in (key, key_shown(key))]
    found = exact or [key for key in keys if key.startswith(f"{wanted}.")]
    shown = some_of(map(key_shown, found or keys), wanted)
    if not found:
        near = did_you_mean(wanted, map(key_shown, keys))
        raise ComparisonError(f"--by: the settings don't differ in {wanted}{near}; they differ in {shown}")
    if not _with(settings, found[0]).issuperset(found):
        raise ComparisonError(f"--by: {wanted} names several keys; expected one of {shown}")
    return found[0]


def _with(settings: Sequence[Setting], key: str) -> set[str]:
    """The key and those that follow from it: the same wherever it is the same."""
    found = {key}
    for other in settings[0].keys:
        pairs = {(text(setting.keys[key]), text(setting.keys[other])) for setting in settings}
        if len(pairs) == len({value for value, _ in pairs}):
            found.add(other)
    return found


def _averaged(cells: Sequence[Setting], key: str, together: set[str]) -> Setting:
    """One value of the key over its cells: the sessions that all of them have."""
    common = set.intersection(*(set(cell.sessions) for cell in cells))
    sessions: Mapping[Pair, Measured] = {
        pair: _mean([cell.sessions[pair] for cell in cells]) for pair in sorted(common)
    }
    keys = {name: value for name, value in cells[0].keys.items() if name in together}
    (name,) = names([keys], [key])
    return Setting(name=name, keys=keys, runs=tuple(run for cell in cells for run in cell.runs), sessions=sessions)


def _mean(measured: Sequence[Measured]) -> Measured:
    """The mean of every number that all have, so that both sides of a difference are means over the same cells."""
    names = {name for one in measured for name in one.numbers}
    means = {name: sum(one.value(name) for one in measured) / len(measured) for name in names}
    known = {name: mean for name, mean in means.items() if not math.isnan(mean)}
    return Measured(known, frozenset.intersection(*(one.sections for one in measured)))
