"""The fields of the lines of a run folder's files, as they are written.

They are plain dicts, which is fast; `harness.store.records` reads them back as checked models.

Invariant: a line that is derived again from the journal equals the one that was written when the session ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from harness.store.counts import mended
from harness.types import Event, Failure, SessionResult, SessionSpec, Speaker, Turn

_OPTIONAL = ("patient_state", "reasoning")
_TURN_FIELDS = tuple(f.name for f in fields(Turn) if f.name not in _OPTIONAL)
_turn_values = attrgetter(*_TURN_FIELDS)
EVENT_KEYS = frozenset({"kind", "turn", "speaker"})
"""Keys of an event itself; all others are its data."""
_SUMMED = ("prompt_tokens", "cached_tokens", "completion_tokens", "latency_s")
_RESERVED = EVENT_KEYS | {"event", "session_id", "time"}


def turn_fields(turn: Turn) -> dict[str, Any]:
    """A turn as a JSON object; with `patient_state` and `reasoning` only if they are set."""
    turn = mended(turn)
    record = dict(zip(_TURN_FIELDS, _turn_values(turn), strict=True))
    for name in _OPTIONAL:
        if (value := getattr(turn, name)) is not None:
            record[name] = value
    return record


def event_fields(event: Event) -> dict[str, Any]:
    """An event as a flat JSON object. Raises ValueError if its data uses a key of the event itself."""
    if taken := _RESERVED & event.data.keys():
        raise ValueError(f"event `{event.kind}`: data can't hold the keys {sorted(taken)}")
    return {"kind": event.kind, "turn": event.turn, "speaker": event.speaker, **event.data}


def spec_fields(spec: SessionSpec) -> dict[str, Any]:
    """The fields of a line that identify its session; `course`, `number`, `branch` and `meta` only if it has them."""
    fields: dict[str, Any] = {"session_id": spec.session_id, "persona_id": spec.persona_id, "seed": spec.seed}
    fields["source"] = spec.source
    if spec.course is not None:
        fields |= {"course": spec.course, "number": spec.number}
    if spec.branch is not None:
        fields["branch"] = spec.branch
    return {**fields, "meta": spec.meta} if spec.meta else fields


def session_fields(result: SessionResult, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a finished session's line in sessions.jsonl."""
    return {
        **spec_fields(result.spec),
        "stop_reason": result.stop_reason,
        "turns": [turn_fields(turn) for turn in result.turns],
        "usage": usage(result.turns),
        "events": [event_fields(event) for event in result.events],
        "metrics": metrics,
    }


def failure_fields(failure: Failure) -> dict[str, Any]:
    """The fields of a line of failures.jsonl."""
    return {
        **spec_fields(failure.spec),
        "error": failure.error,
        "message": failure.message,
        "where": failure.where,
        "turns": [turn_fields(turn) for turn in failure.turns],
    }


def usage(turns: Sequence[Turn]) -> dict[str, dict[str, float | None]]:
    """Sums of tokens and seconds per speaker; cached tokens are None if no turn has them."""
    sums: dict[str, dict[str, float | None]] = {}
    for speaker in Speaker:
        own = [mended(turn) for turn in turns if turn.speaker is speaker]
        sums[str(speaker)] = {name: sum(getattr(turn, name) or 0 for turn in own) for name in _SUMMED}
        if own and all(turn.cached_tokens is None for turn in own):
            sums[str(speaker)]["cached_tokens"] = None
    return sums
