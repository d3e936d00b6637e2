"""The possible outcomes of a question. Only `ok` comes with a value."""

from enum import StrEnum


class Status(StrEnum):
    """Why a score has a value or has none."""

    OK = "ok"
    ABSTAINED = "abstained"
    """The judge answered `cannot_tell`."""
    NOT_APPLICABLE = "not_applicable"
    """The question does not arise in this session."""
    UNSUPPORTED = "unsupported"
    """The answer needs a quote, and none was verified."""
    UNPARSED = "unparsed"
    """Cut off, not JSON, or no answer of this item."""
    DOES_NOT_FIT = "does_not_fit"
    """A turn, or the question, is too long for the judge's window."""
    REFUSED = "refused"
    """The model declined to answer."""
    ENGINE_ERROR = "engine_error"
    """The request failed, or was never made."""


MISSING = frozenset({Status.UNSUPPORTED, Status.UNPARSED, Status.DOES_NOT_FIT, Status.REFUSED, Status.ENGINE_ERROR})
"""Outcomes without an answer; `abstained` and `not_applicable` are answers."""
GRAVEST = (
    Status.ENGINE_ERROR,
    Status.DOES_NOT_FIT,
    Status.REFUSED,
    Status.UNPARSED,
    Status.UNSUPPORTED,
    Status.ABSTAINED,
    Status.NOT_APPLICABLE,
    Status.OK,
)
"""If several outcomes are merged, the first in this order is kept."""


def gravest(statuses: list[Status]) -> Status:
    return min(statuses, key=GRAVEST.index)
