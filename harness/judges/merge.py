"""Merges the verdicts of windows, or of turns, into one.

Invariants:
- An absence holds only if every window reports it. If one window has no answer, the merged verdict has none either,
  unless another window already decides it.
- Counts are by turn, so that an exchange in two windows counts once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.judges.evidence import Found
from harness.judges.rubric import Item
from harness.judges.status import Status, gravest
from harness.judges.verdict import Verdict, missing


def merge(item: Item, verdicts: Sequence[Verdict]) -> Verdict:
    """The merged verdict of windows, by the item's rule. For `whole`, the caller asks again if windows differ."""
    if not verdicts:
        return missing(Status.DOES_NOT_FIT, "no turn fits the judge's window")
    if len(verdicts) == 1 and item.merge != "sum":
        return verdicts[0]
    given = [verdict for verdict in verdicts if verdict.status is Status.OK]
    others = [verdict for verdict in verdicts if verdict.status not in (Status.OK, Status.NOT_APPLICABLE)]
    match item.merge:
        case "any" | "max":
            return _extreme(item, given, others, verdicts, largest=True)
        case "all" | "min":
            return _extreme(item, given, others, verdicts, largest=False)
        case "sum":
            return _count(given, others, verdicts)
        case _:
            return _unanimous(given, others, verdicts)


def _extreme(
    item: Item, given: list[Verdict], others: list[Verdict], verdicts: Sequence[Verdict], *, largest: bool
) -> Verdict:
    """The highest or the lowest value. The limit of the scale decides even if other windows have no answer."""
    values = [answer.value for answer in item.answers]
    limit = max(values) if largest else min(values)
    decisive = [verdict for verdict in given if verdict.value == limit]
    if others and not decisive:
        return _first_missing(others)
    if not given:
        return _none_applies(verdicts)
    best = max(v.value for v in given if v.value is not None) if largest else min(
        v.value for v in given if v.value is not None
    )  # fmt: skip
    chosen = [verdict for verdict in given if verdict.value == best]
    return replace(chosen[0], evidence=together(chosen), rejected=sum(v.rejected for v in verdicts))


def _count(given: list[Verdict], others: list[Verdict], verdicts: Sequence[Verdict]) -> Verdict:
    """The number of turns that are quoted as evidence of a value other than 0."""
    if others:
        return _first_missing(others)
    if not given:
        return _none_applies(verdicts)
    counted = together([verdict for verdict in given if verdict.value])
    turns = len({found.turn for found in counted})
    return Verdict(Status.OK, given[0].answer if turns == 0 else None, float(turns), counted, given[0].reason)


def _unanimous(given: list[Verdict], others: list[Verdict], verdicts: Sequence[Verdict]) -> Verdict:
    """The answer that all windows give; no answer if they differ."""
    if others:
        return _first_missing(others)
    if not given:
        return _none_applies(verdicts)
    if len({verdict.answer for verdict in given}) == 1:
        return replace(given[0], evidence=together(given))
    return missing(Status.UNSUPPORTED, "windows differ, and there is no quote to ask about")


def _first_missing(others: list[Verdict]) -> Verdict:
    status = gravest([verdict.status for verdict in others])
    return next(verdict for verdict in others if verdict.status is status)


def _none_applies(verdicts: Sequence[Verdict]) -> Verdict:
    return verdicts[0]


def together(verdicts: Sequence[Verdict]) -> tuple[Found, ...]:
    """The evidence of several verdicts in the order of the session, each turn and quote once."""
    found = {(entry.turn, entry.quote): entry for verdict in verdicts for entry in verdict.evidence}
    return tuple(sorted(found.values(), key=lambda entry: entry.turn))


def merge_turns(item: Item, verdicts: Mapping[int, Verdict]) -> Verdict:
    """The session's verdict from those of its turns; no value unless all turns that were asked about have an answer."""
    if not verdicts:
        return missing(Status.NOT_APPLICABLE, "the session has no such turn")
    rest = [verdict for verdict in verdicts.values() if verdict.status not in (Status.OK, Status.NOT_APPLICABLE)]
    if rest:
        worst = _first_missing(rest)
        return missing(worst.status, f"{len(rest)} of {len(verdicts)} turns have no answer; {worst.reason}")
    values = [verdict.value for verdict in verdicts.values() if verdict.value is not None]
    if not values:
        return missing(Status.NOT_APPLICABLE, "no turn to which it applies")
    match item.merge:
        case "sum":
            value = sum(values)
        case "mean":
            value = sum(values) / len(values)
        case "any" | "max":
            value = max(values)
        case _:
            value = min(values)
    return Verdict(Status.OK, None, float(value), together([v for v in verdicts.values() if v.value]))
