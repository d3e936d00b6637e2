"""Compares the product's measures with human codes: by turn, by session, and between groups of sessions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness.audit.agreement.coded import CodedSession
from harness.audit.agreement.codes import CODES
from harness.audit.agreement.statistics import (
    Estimate,
    Flags,
    area,
    by_session,
    correlation,
    f1,
    kappa,
    precision,
    recall,
)
from harness.errors import TranscriptError
from harness.hearing import Heard, hear
from harness.hearing.features import RECENT
from harness.metrics import session_metrics
from harness.types import Speaker

Hears = Callable[[str, tuple[str, ...]], Heard | None]
"""Classifies a therapist's turn after the patient's last turns; None leaves the turn out."""


@dataclass(frozen=True, slots=True)
class CodeAgreement:
    """Agreement on one code, over the coded therapist turns."""

    code: str
    coded: int
    """Number of turns with the code from human coders."""
    found: int
    """Number of turns with the code from the product."""
    precision: Estimate
    recall: Estimate
    f1: Estimate
    kappa: Estimate
    session_rate: Estimate
    """Correlation, over sessions, of the shares of turns with the code."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The result of `python -m harness agree`."""

    sessions: int
    turns: int
    """Coded therapist turns."""
    codes: tuple[CodeAgreement, ...]
    areas: Mapping[str, Estimate]
    """Therapist metric to its AUC for separating the high group from the others; empty without a group."""
    unknown: tuple[str, ...]
    """Codes in the data without a counterpart in `CODES`."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def agree(
    sessions: Sequence[CodedSession], *, group: str | None = None, high: str | None = None, hears: Hears = hear
) -> Agreement:
    """The agreement over these sessions. `group` names a column and `high` its value for the better sessions.

    Raises `TranscriptError` if no code of `CODES` occurs, or if the group has fewer than two values or lacks `high`.
    """
    heard = [_heard(session, hears) for session in sessions]
    given = frozenset[str]().union(*(codes for session in sessions for codes in session.codes.values()))
    known = [code for code in CODES if code in given]
    if not known:
        found = ", ".join(sorted(given)) or "none"
        raise TranscriptError(f"codes: found {found}; expected some of {', '.join(CODES)}")
    return Agreement(
        len(sessions),
        sum(map(len, heard)),
        tuple(_code(code, sessions, heard) for code in known),
        _areas(sessions, group, high) if group else {},
        tuple(sorted(given - CODES.keys())),
    )


def _heard(session: CodedSession, hears: Hears) -> dict[int, Heard]:
    """The product's result for each coded turn, by index."""
    said: list[str] = []
    found: dict[int, Heard] = {}
    for turn in session.turns:
        if turn.speaker is Speaker.PATIENT:
            said.append(turn.text)
        elif turn.index in session.codes and (one := hears(turn.text, tuple(said[-RECENT:]))) is not None:
            found[turn.index] = one
    return found


def asked(sessions: Sequence[CodedSession]) -> list[tuple[str, tuple[str, ...]]]:
    """The coded turns, each with the patient's last turns before it: what a `Hears` gets."""
    listed: list[tuple[str, tuple[str, ...]]] = []

    def note(text: str, heard: tuple[str, ...]) -> None:
        listed.append((text, heard))

    for session in sessions:
        _heard(session, note)
    return listed


def _code(code: str, sessions: Sequence[CodedSession], heard: Sequence[Mapping[int, Heard]]) -> CodeAgreement:
    truths = [
        np.array([code in session.codes[turn] for turn in own], np.bool_) for session, own in _both(sessions, heard)
    ]
    founds = [np.array([CODES[code](one) for one in own.values()], np.bool_) for own in heard]

    def over(measure: Callable[[Flags, Flags], float]) -> Estimate:
        def of_sessions(indices: Sequence[int]) -> float:
            return measure(np.concatenate([truths[i] for i in indices]), np.concatenate([founds[i] for i in indices]))

        return by_session(of_sessions, len(truths))

    def rates(indices: Sequence[int]) -> float:
        coded = [i for i in indices if truths[i].size]
        return correlation(
            np.array([truths[i].mean() for i in coded], np.float64),
            np.array([founds[i].mean() for i in coded], np.float64),
        )

    return CodeAgreement(
        code,
        sum(int(one.sum()) for one in truths),
        sum(int(one.sum()) for one in founds),
        over(precision),
        over(recall),
        over(f1),
        over(kappa),
        by_session(rates, len(truths)),
    )


def _both(
    sessions: Sequence[CodedSession], heard: Sequence[Mapping[int, Heard]]
) -> list[tuple[CodedSession, Mapping[int, Heard]]]:
    return list(zip(sessions, heard, strict=True))


def _areas(sessions: Sequence[CodedSession], group: str, high: str | None) -> dict[str, Estimate]:
    values = [session.groups.get(group) for session in sessions]
    found = sorted({value for value in values if value is not None})
    if high is None or high not in found or len(found) < 2:
        raise TranscriptError(
            f"group {group}: found {', '.join(found) or 'no value'}; expected two or more, and --high one of them"
        )
    grouped = [session for session, value in zip(sessions, values, strict=True) if value is not None]
    is_high = np.array([value == high for value in values if value is not None], np.bool_)
    measured = [session_metrics(session.turns)["therapist"] for session in grouped]
    areas: dict[str, Estimate] = {}
    for name in measured[0]:
        column = [one[name] for one in measured]
        if any(isinstance(value, str | list) for value in column) or all(value is None for value in column):
            continue
        known = np.array([value is not None for value in column], np.bool_)
        numbers = np.array([float(value or 0.0) for value in column], np.float64)

        def of_sessions(indices: Sequence[int], numbers: Any = numbers, known: Any = known) -> float:
            kept = [i for i in indices if known[i]]
            return area(is_high[kept], numbers[kept])

        areas[name] = by_session(of_sessions, len(grouped))
    return areas
