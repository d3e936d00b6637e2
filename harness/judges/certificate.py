"""Certifies a judge per item, from its answers on controls: whether it finds faults, and ignores irrelevant edits.

Invariants:
- An item without controls, or whose controls were not answered, is not certified.
- Only controls that the same judge judged in the same run count.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.judges.controls import Controls, Pair
from harness.judges.records import ItemCertificate, Rate, Score
from harness.judges.rubric import Item, Rubric
from harness.judges.statistics.agreement import flip_rate
from harness.judges.statistics.intervals import clopper_pearson
from harness.judges.status import Status


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an item must reach to be certified."""

    told: float = 0.8
    """The judge distinguishes at least this share of pairs, and the exact interval of the share is above one half."""
    false_alarms: float = 0.2
    """Largest share of clean sessions in which the judge finds the fault."""
    moved: float = 0.2
    """Largest share of answers that change after an irrelevant edit, for each kind of edit."""
    flips: float = 0.2
    """Largest share of pairs of repeats that disagree."""
    missing: float = 0.2
    """Largest share of controls without a value."""


BOUNDS = Bounds()


def certify(
    rubrics: Sequence[Rubric], controls: Controls, scores: Iterable[Score], bounds: Bounds = BOUNDS
) -> tuple[ItemCertificate, ...]:
    """The certificate of every item, from the scores of the controls."""
    by_place: defaultdict[tuple[str, str, str], list[Score]] = defaultdict(list)
    for score in scores:
        by_place[score.session_id, score.rubric, score.item].append(score)
    return tuple(_item(rubric, item, controls.pairs, by_place, bounds) for rubric in rubrics for item in rubric.items)


def _item(
    rubric: Rubric,
    item: Item,
    pairs: Sequence[Pair],
    by_place: Mapping[tuple[str, str, str], list[Score]],
    bounds: Bounds,
) -> ItemCertificate:
    own = [pair for pair in pairs if (pair.rubric, pair.item) == (rubric.id, item.id)]

    def of(session_id: str) -> list[Score]:
        return by_place.get((session_id, rubric.id, item.id), [])

    told = [_told(pair, of(pair.clean), of(pair.faulty)) for pair in own]
    alarms = [_value(of(pair.clean)) == pair.faulty_value for pair in own if pair.faulty_value is not None]
    moved = {
        kind: [
            _answer(of(pair.edits[kind][0])) != _answer(of(pair.edits[kind][1])) for pair in own if kind in pair.edits
        ]
        for kind in sorted({kind for pair in own for kind in pair.edits})
    }
    sessions = {
        name for pair in own for name in (pair.clean, pair.faulty, *(e for ids in pair.edits.values() for e in ids))
    }
    all_scores = [score for name in sorted(sessions) for score in of(name)]
    unanswered = [score.status is not Status.OK for score in all_scores]
    flips = _flips([of(name) for name in sorted(sessions)])
    found = ItemCertificate(
        rubric=rubric.id,
        item=item.id,
        item_hash=rubric.item_hash(item),
        certified=False,
        told=_rate(told),
        false_alarms=_rate(alarms),
        moved={kind: _rate(entries) for kind, entries in moved.items()},
        flips=flips,
        missing=_rate(unanswered),
    )
    why = tuple(_why_not(found, bounds))
    return found.model_copy(update={"certified": not why, "why": why})


def _why_not(found: ItemCertificate, bounds: Bounds) -> Iterable[str]:
    if not found.told.trials:
        yield "no controls: the rubric has no planted turns for this item"
        return
    if not _at_most(found.missing, bounds.missing):
        yield f"{found.missing.hits} of {found.missing.trials} controls have no answer"
    if found.told.hits < bounds.told * found.told.trials:
        yield f"distinguished {found.told.hits} of {found.told.trials} faulty sessions from their clean versions"
    elif found.told.low <= 0.5:
        yield f"only {found.told.trials} pairs: too few to exclude chance"
    if not _at_most(found.false_alarms, bounds.false_alarms):
        yield f"false alarms in {found.false_alarms.hits} of {found.false_alarms.trials} clean sessions"
    for kind, rate in found.moved.items():
        if not _at_most(rate, bounds.moved):
            yield f"an irrelevant edit ({kind}) changed {rate.hits} of {rate.trials} answers"
    if found.flips is not None and found.flips > bounds.flips:
        yield f"{found.flips:.0%} of pairs of repeats disagree"


def _at_most(rate: Rate, bound: float) -> bool:
    return rate.hits <= bound * rate.trials


def _told(pair: Pair, clean: Sequence[Score], faulty: Sequence[Score]) -> bool:
    """Whether the scores of the two sessions differ in the right direction; False if one is missing."""
    first, second = _value(clean), _value(faulty)
    if first is None or second is None:
        return False
    if pair.clean_value is None or pair.faulty_value is None:
        return second < first
    return (second - first) * (pair.faulty_value - pair.clean_value) > 0


def _value(scores: Sequence[Score]) -> float | None:
    """The median over repeats and orders; None if any of them has no value."""
    values = [score.value for score in scores if score.value is not None]
    return float(np.median(values)) if values and len(values) == len(scores) else None


def _answer(scores: Sequence[Score]) -> object:
    """What is compared between a control and its edited version: the value, or the statuses if there is none."""
    value = _value(scores)
    return value if value is not None else sorted(score.status for score in scores)


def _flips(groups: Sequence[Sequence[Score]]) -> float | None:
    """The share of pairs of repeats or orders of one control that disagree; None with a single repeat and order."""
    wide = max((len(group) for group in groups), default=0)
    if wide < 2:
        return None
    table = np.full((len(groups), wide), np.nan)
    for row, group in enumerate(groups):
        for column, score in enumerate(group):
            if score.value is not None:
                table[row, column] = score.value
    rate = flip_rate(table)
    return None if np.isnan(rate) else rate


def _rate(hits: Sequence[bool]) -> Rate:
    low, high = clopper_pearson(sum(hits), len(hits))
    return Rate(hits=sum(hits), trials=len(hits), low=low, high=high)
