"""The records of a run folder: run.json, and the lines of sessions.jsonl and failures.jsonl.

Lines are written from plain dicts (fast) and read back into frozen pydantic models (checked).

Invariants:
- A line that is derived again from the journal equals the one that was written when the session ended.
- A wrong count or duration from a server or an engine never makes a line unreadable: it is corrected when it is
  written, and again when it is read.
"""

import logging
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from math import isfinite
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from harness.config.plugins import Plugin
from harness.engines.base import EngineInfo
from harness.errors import StorageError
from harness.reading.files import opened, read_bytes
from harness.store.files import lines_of, storage_error
from harness.store.provenance import Provenance
from harness.types import (
    NOTHING,
    Branch,
    Event,
    Failure,
    RequestUsage,
    SessionResult,
    SessionSpec,
    Source,
    Speaker,
    StopReason,
    Turn,
    View,
)

_log = logging.getLogger(__name__)
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
_OPTIONAL = ("patient_state", "reasoning")
_TURN_FIELDS = tuple(f.name for f in fields(Turn) if f.name not in _OPTIONAL)
_turn_values = attrgetter(*_TURN_FIELDS)
USAGE = TypeAdapter(dict[str, RequestUsage])
"""For `parse`."""
_COUNTS = (
    *("prompt_tokens", "cached_tokens", "completion_tokens", "max_new_tokens", "max_model_len"),
    *("evicted_turns", "summary_tokens"),
)
_MEASURES = (*_COUNTS, "latency_s")
_measures = attrgetter(*_MEASURES)
_MOST = 2**53
"""Larger numbers are not valid counts; JSON readers of other languages lose digits from here on, too."""
SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,199}")
"""The form of a session id; it must work as a file name."""
_EVENT_KEYS = frozenset({"kind", "turn", "speaker"})
_RESERVED = _EVENT_KEYS | {"event", "session_id", "time"}
T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)


def _count(value: object) -> int:
    try:
        number = int(value) if isinstance(value, int | float | str) else 0
    except (ValueError, OverflowError):
        return 0
    return number if 0 <= number < _MOST else 0


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _MOST and isfinite(value) else 0.0


def _wrong(read: Mapping[str, Any]) -> dict[str, Any]:
    """The invalid counts and durations of a turn, corrected; mostly empty."""
    wrong: dict[str, Any] = {}
    for name in _COUNTS:
        value = read.get(name, 0)
        if name == "cached_tokens" and value is None:
            continue  # the server does not report it
        if type(value) is not int or not 0 <= value < _MOST:
            wrong[name] = _count(value)
    seconds = read.get("latency_s", 0.0)
    if type(seconds) is not float or not isfinite(seconds):
        wrong["latency_s"] = _seconds(seconds)
    return wrong


def mended(turn: Turn) -> Turn:
    """The turn with valid counts and durations; an invalid one, such as NaN or 1e30, becomes 0."""
    *counts, seconds = measures = _measures(turn)
    if type(seconds) is float and isfinite(seconds) and {*map(type, counts)} == {int} and _are_counts(counts):
        return turn  # fast path: nearly all turns are valid, and this is called four times per turn
    wrong = _wrong(dict(zip(_MEASURES, measures, strict=True)))
    return replace(turn, **wrong) if wrong else turn


def _are_counts(numbers: Sequence[int]) -> bool:
    return min(numbers) >= 0 and max(numbers) < _MOST


def _are_numbers(value: object) -> bool:
    """Whether all numbers in a value are finite and in range."""
    if isinstance(value, Mapping):
        return all(map(_are_numbers, value.values()))
    if isinstance(value, list):
        return all(map(_are_numbers, value))
    return not isinstance(value, int | float) or (abs(value) < 1e15 and isfinite(value))


def _mended_fields(read: object) -> object:
    if not isinstance(read, Mapping):
        return read
    wrong = _wrong(read)
    state = read.get("patient_state")
    if not isinstance(state, Mapping | None) or not _are_numbers(state):
        wrong["patient_state"] = None
    return {**read, **wrong} if wrong else read


_Turn = Annotated[Turn, BeforeValidator(_mended_fields)]
_SessionId = Annotated[str, StringConstraints(pattern=f"^{SESSION_ID.pattern}$")]
TURN, VIEW = TypeAdapter[Turn](_Turn), TypeAdapter(View)
"""For `parse`."""


class RunStatus(StrEnum):
    """How a run stands. `running` in a folder that no process holds: the run was killed, and can be resumed."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Totals(_Record):
    """Sums over all sessions of a run."""

    sessions: int = 0
    """Number of planned sessions."""
    finished: int = 0
    failed: int = 0
    turns: int = 0
    """Number of journalled turns, including those of failed and unfinished sessions."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    """Sum over the turns; `usage` covers all requests."""
    usage: dict[str, RequestUsage] = {}
    """The cost of all answered requests, by purpose; empty in runs of versions that did not count it."""


class RunRecord(_Record):
    """run.json."""

    name: str
    status: RunStatus
    started_at: datetime
    """UTC."""
    finished_at: datetime | None = None
    resumed: int = 0
    """Number of times that the run was resumed."""
    config: dict[str, Any]
    """The resolved config."""
    config_hash: str
    """SHA-256 over the settings that can change results."""
    persona_hashes: dict[str, str] = {}
    """Persona id to the SHA-256 of its content."""
    languages: tuple[str, ...] = ()
    """Codes of the patients' languages; empty in a run of an older version."""
    content_hashes: dict[str, str] = {}
    """Content hashes by setting, such as `therapist.prompt`; empty in runs of versions that did not record them."""
    provenance: Provenance = Provenance()
    plugins: tuple[Plugin, ...] = ()
    """The engines, metrics, ... that came from plug-ins."""
    engines: dict[str, EngineInfo] = {}
    """What the engine of each role reports about itself."""
    totals: Totals = Totals()
    timings: dict[str, float] = {}
    """Seconds by phase."""
    source: Source = Source.SIMULATED
    """The origin of its sessions."""

    @field_validator(
        *(
            "finished_at",
            "resumed",
            "persona_hashes",
            "content_hashes",
            "provenance",
            "plugins",
            "engines",
            "totals",
            "timings",
        ),
        mode="wrap",
    )
    @classmethod
    def _or_default(cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        """Replace a damaged descriptive field by its default, so that the run stays readable."""
        try:
            return handler(value)
        except ValidationError:
            return cls.model_fields[str(info.field_name)].get_default()

    @field_validator("status", mode="before")
    @classmethod
    def _known_status(cls, value: object) -> object:
        return value if value in list(RunStatus) else RunStatus.INTERRUPTED


class Usage(_Record):
    """Sums over the turns of one speaker."""

    prompt_tokens: int = 0
    cached_tokens: int | None = 0
    """None if the engine reported it for no turn."""
    completion_tokens: int = 0
    latency_s: float = 0.0


class SessionRecord(_Record):
    """A line of sessions.jsonl."""

    session_id: _SessionId
    persona_id: str
    seed: int
    stop_reason: StopReason
    turns: tuple[_Turn, ...]
    course: str | None = None
    """Id of its course; None for a single session."""
    number: int = 1
    """Its position in that course, from 1."""
    source: Source = Source.SIMULATED
    branch: Branch | None = None
    """The origin of a branched session; None for any other."""
    meta: dict[str, Any] = {}
    """Data of an imported session besides its turns."""
    usage: dict[Speaker, Usage] = {}
    events: tuple[Event, ...] = ()
    metrics: dict[str, Any] = {}

    @field_validator("usage", "metrics", mode="wrap")
    @classmethod
    def _or_none(cls, value: object, handler: ValidatorFunctionWrapHandler) -> object:
        """Replace a damaged field that can be derived from the turns by None, so that the turns stay readable."""
        try:
            return handler(value) if _are_numbers(value) else {}
        except ValidationError:
            return {}

    @field_validator("events", mode="before")
    @classmethod
    def _unflatten(cls, value: object) -> object:
        return [unflatten(e) if isinstance(e, dict) else e for e in value] if isinstance(value, list) else value


class FailureRecord(_Record):
    """The fields of a line of failures.jsonl."""

    session_id: _SessionId
    persona_id: str
    seed: int
    error: str
    message: str
    where: str
    turns: tuple[_Turn, ...]
    course: str | None = None
    number: int = 1


def encode(record: Mapping[str, Any]) -> bytes:
    """One JSON line with its newline. Raises TypeError for values that JSON can't represent."""
    try:
        return orjson.dumps(record, default=_default, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_plain(record), default=_default, option=_OPTIONS)


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


def unflatten(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an `Event` from its flat JSON object."""
    data = {key: value for key, value in fields.items() if key not in _EVENT_KEYS}
    return {**{key: fields[key] for key in _EVENT_KEYS & fields.keys()}, "data": data}


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


def read_record(folder: Path) -> RunRecord:
    """run.json of a run folder. Raises `StorageError` if it is missing or damaged."""
    path = folder / "run.json"
    try:
        content = read_bytes(path)
    except FileNotFoundError as error:
        raise StorageError(f"{folder}: holds no run (no run.json); give the folder of a run") from error
    except OSError as error:
        raise storage_error(path, "read", error, "give the folder of a run") from error
    return _validated(RunRecord, content, str(path))


def refuse_imported(folder: Path, record: RunRecord, what: str) -> None:
    """Raise `StorageError` for a run of imported sessions; `what` is the action that needs prompts."""
    if record.source is Source.IMPORTED:
        raise StorageError(f"{folder}: its sessions are imported, no model generated them; there is nothing to {what}")


def read_sessions(path: Path) -> Iterator[SessionRecord]:
    """The sessions of a sessions.jsonl, one at a time.

    Skips a last line that is still being written, and damaged lines, with a warning: `resume` writes the file again from
    the journal. Raises `StorageError` if the file can't be read.
    """
    return _read_lines(SessionRecord, path)


def whole_ids(path: Path) -> Iterator[str]:
    """The session ids of the complete lines of a file; ignores their other fields. Raises OSError."""
    with opened(path) as file:
        for _, _, line in lines_of(file):
            try:
                session_id = orjson.loads(line)["session_id"]
            except (ValueError, TypeError, KeyError):
                continue
            if line.endswith(b"\n") and isinstance(session_id, str):
                yield session_id


def read_failures(path: Path) -> Iterator[FailureRecord]:
    """The failures of a failures.jsonl; as `read_sessions`."""
    return _read_lines(FailureRecord, path)


def usage(turns: Sequence[Turn]) -> dict[str, dict[str, float | None]]:
    """Sums of tokens and seconds per speaker; cached tokens are None if no turn has them."""
    sums: dict[str, dict[str, float | None]] = {}
    for speaker in Speaker:
        own = [mended(turn) for turn in turns if turn.speaker is speaker]
        sums[str(speaker)] = {name: sum(getattr(turn, name) or 0 for turn in own) for name in Usage.model_fields}
        if own and all(turn.cached_tokens is None for turn in own):
            sums[str(speaker)]["cached_tokens"] = None
    return sums


def add_usage(totals: MutableMapping[str, RequestUsage], usage: Mapping[Any, RequestUsage]) -> None:
    """Add the cost of requests to `totals`, by purpose."""
    for purpose, cost in usage.items():
        totals[str(purpose)] = totals.get(str(purpose), NOTHING) + cost


def totals_fields(totals: Totals) -> dict[str, Any]:
    """The counts by name, to continue counting."""
    return {**dict(totals), "usage": dict(totals.usage)}


def whole_json(record: BaseModel) -> bytes:
    """The content of a JSON file with one record, indented for people."""
    content = record.model_dump(mode="json")
    try:
        return orjson.dumps(content, option=orjson.OPT_INDENT_2)
    except TypeError:
        return orjson.dumps(_plain(content), option=orjson.OPT_INDENT_2)


def parse(kind: TypeAdapter[T], fields: object, place: str) -> T:
    """A validated object from its JSON fields. Raises `StorageError`, which names `place`."""
    try:
        return kind.validate_python(fields)
    except ValidationError as error:
        raise StorageError(f"{place}: {_first_mistake(error)}") from error


def _read_lines(model: type[R], path: Path) -> Iterator[R]:
    try:
        with opened(path) as file:
            for number, _, line in lines_of(file):
                try:
                    yield model.model_validate_json(line)
                except ValidationError as error:
                    if not line.endswith(b"\n") and not _is_json(line):
                        return
                    remedy = f"python -m harness resume {path.parent} writes the file again from the journal"
                    _log.warning("note: %s:%d: left out: %s; %s", path, number, _first_mistake(error), remedy)
    except OSError as error:
        raise storage_error(path, "read", error, "give a file of a run folder") from error


def _validated(model: type[R], content: bytes, place: str) -> R:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise StorageError(f"{place}: {_first_mistake(error)}") from error


def _first_mistake(error: ValidationError) -> str:
    mistake = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in mistake["loc"]) or "line"
    return f"{where}: {mistake['msg']}, found {shown(mistake['input'])}"


def shown(value: object) -> str:
    """A value from a file, shortened for a message."""
    try:
        return repr(str(value)[:60])
    except ValueError:  # an integer of more than 4,300 digits
        return "a number with thousands of digits"


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _default(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON data")


def _plain(value: object) -> object:
    """Slow conversion of values that orjson refuses: keys of a str subclass, lone surrogates (become U+FFFD), and
    integers of more than 64 bits (become floats)."""
    if isinstance(value, str):
        return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 10**300 else None
    return _plain(dict(_fields(value))) if is_dataclass(value) and not isinstance(value, type) else value


def _fields(value: Any) -> Iterator[tuple[str, object]]:
    return ((one.name, getattr(value, one.name)) for one in fields(value))
