"""The records of judging: judgements.jsonl (raw), scores.jsonl and gates.jsonl (derived), certificate.json.

Invariant: a line derived again from judgements.jsonl equals the line that was written when the session was judged.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.judges.status import Status
from harness.reading.files import opened, read_bytes
from harness.store.files import lines_of, storage_error
from harness.store.records import CERTIFICATE, shown

JUDGEMENTS, SCORES, GATES = "judgements.jsonl", "scores.jsonl", "gates.jsonl"
R = TypeVar("R", bound=BaseModel)
_log = logging.getLogger(__name__)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Judgement(_Record):
    """A line of judgements.jsonl: one answer as the engine gave it. It is the cache, and the journal to resume from."""

    key: str
    """SHA-256 (hex) over everything that determines the request."""
    session_id: str
    rubric: str
    item: str
    judge: str
    window: tuple[int, int]
    """Numbers of the first and the last turn that were shown."""
    turn: int | None = None
    """The turn that was asked about; None for items about the session."""
    repeat: int = 0
    order: int = 0
    attempt: int = 0
    text: str = ""
    finish_reason: Literal["stop", "length"] | None = None
    """None if the engine gave no answer."""
    error: str | None = None
    """Class and message of the error, if there was one."""
    fits: bool = True
    """False if the prompt was too long."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    latency_s: float = 0.0


class Evidence(_Record):
    """A verified quote."""

    turn: int
    quote: str
    corrected_from: int | None = None


class TurnScore(_Record):
    """The answer for one turn, of an item about turns."""

    turn: int
    status: Status
    answer: str | None = None
    value: float | None = None
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""


class Score(_Record):
    """A line of scores.jsonl."""

    session_id: str
    persona_id: str
    seed: int
    course: str | None = None
    rubric: str
    revision: int
    item: str
    judge: str
    repeat: int
    order: int
    status: Status
    value: float | None = None
    """Null unless the status is `ok`."""
    answer: str | None = None
    severity: Literal["red", "yellow"] | None = None
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""
    rejected_quotes: int = 0
    windows: int = 1
    """Number of windows into which the transcript was split."""
    turns: tuple[TurnScore, ...] = ()
    """For an item about turns: the answer for each turn."""
    tokens: dict[str, int] = {}
    """`prompt`, `cached` and `completion`, over all requests."""
    key: str = ""
    """Key of the last judgement behind this score; empty if nothing was asked."""


class Gate(_Record):
    """A line of gates.jsonl: the result of a gate rubric for a session."""

    session_id: str
    persona_id: str
    seed: int
    rubric: str
    judge: str
    result: Literal["pass", "fail", "not_exercised", "not_assessed"]
    confirmed: bool = False
    """fail: whether most repeats give a red answer to the same item."""
    red: tuple[str, ...] = ()
    """Items with a verified red answer."""
    yellow: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Items without an answer."""
    risk_expressed: bool | None = None
    """Whether the patient expressed risk, according to the run itself; None if unknown."""
    risk_found: bool | None = None
    """Whether the judge found risk; None if the rubric has no item `tier`, or the item has no answer."""


class Rate(_Record):
    """A count with the exact 95% confidence interval of its share."""

    hits: int
    trials: int
    low: float
    high: float


class ItemCertificate(_Record):
    """Whether a judge is certified for one item, from the controls of the same judging run."""

    rubric: str
    item: str
    item_hash: str
    certified: bool
    why: tuple[str, ...] = ()
    """The reasons why it is not certified."""
    told: Rate
    """Pairs of a clean and a faulty session that the judge distinguished, in the right direction."""
    false_alarms: Rate
    """Clean sessions in which the judge found the fault."""
    moved: dict[str, Rate] = {}
    """For each kind of irrelevant edit: pairs whose answer changed."""
    flips: float | None = None
    """Share of pairs of repeats or orders that disagree; None with a single repeat and order."""
    missing: Rate
    """Answers on controls that have no value."""


class JudgeCertificate(_Record):
    """The certificate of one judge."""

    judge: str
    model: str
    engine: str
    fingerprint: str
    prompt_budget: int = 0
    """Most tokens of a prompt, by which transcripts were split into windows; 0 if it was not recorded."""
    controls: int
    """Number of clean sessions from which the controls were made."""
    verdict: Literal["certified", "partly certified", "not certified"]
    warnings: tuple[str, ...] = ()
    items: tuple[ItemCertificate, ...]


class Certificate(_Record):
    """certificate.json."""

    version: int = 1
    judges: dict[str, JudgeCertificate] = {}

    def item(self, judge: str, rubric: str, item: str) -> ItemCertificate | None:
        found = self.judges.get(judge)
        if found is None:
            return None
        return next((entry for entry in found.items if (entry.rubric, entry.item) == (rubric, item)), None)

    def certified(self, judge: str, rubric: str, item: str) -> bool:
        found = self.item(judge, rubric, item)
        return found is not None and found.certified


class Rating(_Record):
    """One rating by a person."""

    session_id: str
    item: str
    rater: str
    value: Annotated[float, Field(allow_inf_nan=False)]
    split: Literal["dev", "test"] = "test"
    run: str = ""
    """Name of the run folder of the session; empty if only one run has a session of this id."""


def line(record: BaseModel) -> bytes:
    """The record as a line of JSON, with its newline."""
    return orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE)


def read_scores(folder: Path) -> Iterator[Score]:
    """The scores of a run folder, one at a time; none if nothing was judged. Raises `StorageError`."""
    return read_lines(Score, folder / SCORES)


def read_gates(folder: Path) -> Iterator[Gate]:
    """The gates of a run folder, as `read_scores`."""
    return read_lines(Gate, folder / GATES)


def read_certificate(folder: Path) -> Certificate:
    """certificate.json; an empty one if nothing was judged. A damaged one is left out, with a logged warning.

    Raises `StorageError` if the file can't be read.
    """
    path = folder / CERTIFICATE
    if not path.exists():
        return Certificate()
    try:
        return Certificate.model_validate_json(read_bytes(path))
    except OSError as error:
        raise storage_error(path, "read", error, "judge the run again") from error
    except ValidationError as error:
        _log.warning("note: %s: left out: %s; %s", path, _first(error), _AGAIN)
        return Certificate()


def read_lines(model: type[R], path: Path) -> Iterator[R]:
    """The records of a JSONL file that derives from judgements.jsonl; none if there is no such file.

    An incomplete last line is left out, and so is a damaged line, with a logged warning. Raises `StorageError` if the
    file can't be read.
    """
    if not path.exists():
        return
    try:
        with opened(path) as file:
            for number, _, raw in lines_of(file):
                if not raw.endswith(b"\n"):
                    return
                try:
                    yield model.model_validate_json(raw)
                except ValidationError as error:
                    _log.warning("note: %s:%d: left out: %s; %s", path, number, _first(error), _AGAIN)
    except OSError as error:
        raise storage_error(path, "read", error, "give the folder of a run") from error


_AGAIN = "judge with --rescore to derive it again"


def _first(error: ValidationError) -> str:
    mistake = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in mistake["loc"]) or "line"
    return f"{where}: {mistake['msg']}, found {shown(mistake['input'])}"
