"""The records of a run folder: run.json, and the lines of sessions.jsonl and failures.jsonl.

They are read into frozen, checked models. `harness.store.lines` has the fields as they are written.

Invariant: damage in a field that others can do without never makes a record unreadable.
"""

import logging
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from enum import StrEnum
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
from harness.store.counts import are_numbers, mended_fields
from harness.store.files import lines_of, storage_error
from harness.store.lines import EVENT_KEYS
from harness.store.provenance import Provenance
from harness.types import (
    NOTHING,
    Branch,
    Event,
    RequestUsage,
    Source,
    Speaker,
    StopReason,
    Turn,
    View,
)

_log = logging.getLogger(__name__)
USAGE = TypeAdapter(dict[str, RequestUsage])
"""For `parse`."""
CERTIFICATE = "certificate.json"
"""Written last when a run is judged."""
SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,199}")
"""The form of a session id; it must work as a file name."""
T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)


_Turn = Annotated[Turn, BeforeValidator(mended_fields)]
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
            return handler(value) if are_numbers(value) else {}
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


def is_judged(run: Path, overrides: Sequence[str] = ()) -> bool:
    """Whether a finished run has nothing left to judge: it has no judge, or was judged and `overrides` leave its judge alone.

    `overrides` are the settings of a resume, as KEY=VALUE. A folder that was removed has nothing left either. Raises
    `StorageError`.
    """
    if not (run / "run.json").is_file() or read_record(run).config.get("judge") is None:
        return True
    changed = any(override.lstrip("+").startswith(("judge.", "judge=", "judging.")) for override in overrides)
    return (run / CERTIFICATE).exists() and not changed


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


def add_usage(totals: MutableMapping[str, RequestUsage], usage: Mapping[Any, RequestUsage]) -> None:
    """Add the cost of requests to `totals`, by purpose."""
    for purpose, cost in usage.items():
        totals[str(purpose)] = totals.get(str(purpose), NOTHING) + cost


def totals_fields(totals: Totals) -> dict[str, Any]:
    """The counts by name, to continue counting."""
    return {**dict(totals), "usage": dict(totals.usage)}


def unflatten(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an `Event` from its flat JSON object."""
    data = {key: value for key, value in fields.items() if key not in EVENT_KEYS}
    return {**{key: fields[key] for key in EVENT_KEYS & fields.keys()}, "data": data}


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
