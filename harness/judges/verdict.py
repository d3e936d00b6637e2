"""Assesses one answer of a judge: a status, and a value if and only if the status is `ok`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.judges.answers import NoAnswer, read_answer
from harness.judges.evidence import Found, Shown
from harness.judges.rubric import Item
from harness.judges.status import Status
from harness.types import Speaker


@dataclass(frozen=True, slots=True)
class Verdict:
    """An assessed answer for a window, a turn or a session."""

    status: Status
    answer: str | None = None
    value: float | None = None
    """None unless the status is `ok`."""
    evidence: tuple[Found, ...] = ()
    reason: str = ""
    """The judge's reason; without an answer, what is wrong. The model sees it at a second attempt."""
    rejected: int = 0
    """Number of quotes that could not be verified."""

    def __post_init__(self) -> None:
        if (self.value is None) is (self.status is Status.OK):
            raise ValueError(f"a verdict of status {self.status} can't have the value {self.value}")

    @property
    def again(self) -> bool:
        """Whether a second attempt may help."""
        return self.status in (Status.UNPARSED, Status.UNSUPPORTED)


def missing(status: Status, reason: str) -> Verdict:
    """A verdict without an answer."""
    return Verdict(status, reason=reason)


def assess(text: str, item: Item, shown: Shown, *, cut: bool, only: int | None = None) -> Verdict:
    """Parse a model's text and verify its quotes in what it was shown; `only` is the turn that was asked about."""
    read = read_answer(text, item, cut=cut)
    if isinstance(read, NoAnswer):
        return missing(read.status, read.problem)
    if read.answer == "cannot_tell":
        return Verdict(Status.ABSTAINED, read.answer, reason=read.reason)
    if read.answer == "not_applicable":
        return Verdict(Status.NOT_APPLICABLE, read.answer, reason=read.reason)
    rule = item.evidence
    quotes = shown.check(read.quotes, Speaker(rule.speaker) if rule.speaker else None, only)
    if read.answer in rule.required_for and not quotes.found:
        why = quotes.rejected[0] if quotes.rejected else "no quote was given"
        return replace(missing(Status.UNSUPPORTED, f"{read.answer}: {why}"), rejected=len(quotes.rejected))
    chosen = item.answer(read.answer)
    assert chosen is not None
    return Verdict(Status.OK, chosen.id, chosen.value, quotes.found, read.reason, len(quotes.rejected))


def unmet(item: Item, others: Mapping[str, Verdict]) -> Verdict | None:
    """The verdict of an item that is not asked because of the items that it needs; None if it must be asked."""
    for need in item.needs:
        other = others[need.item]
        if other.status is Status.NOT_APPLICABLE or (other.status is Status.OK and other.answer not in need.answers):
            return missing(Status.NOT_APPLICABLE, f"{need.item} is {other.answer}")
        if other.status is not Status.OK:
            return missing(other.status, f"needs {need.item}, which has no answer: {other.reason}")
    return None
