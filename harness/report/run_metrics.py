"""Reads the parts of metrics.json that the page shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, field_validator

from harness.errors import StorageError
from harness.reading.files import read_bytes

MOST_BYTES = 256_000_000


class _Found(BaseModel):
    """Turns and sessions with one kind of finding."""

    turns: int
    sessions: int


class _Spread(BaseModel):
    """A metric over sessions; shares are in [0, 1]."""

    mean: float | None
    sd: float | None


class _Usage(BaseModel):
    """Tokens of all turns; None where an engine does not report them."""

    prompt_tokens: float | None = None
    cached_share: float | None = None
    prefill_per_generated: float | None = None


class _Diversity(BaseModel):
    mean_likeness: float | None


class _Metrics(BaseModel):
    """The parts that the page shows; `trajectories` are means by exchange, in [0, 1]."""

    usage: _Usage
    guard: dict[str, _Found]
    endings: dict[str, int]
    metrics: dict[str, _Spread]
    trajectories: dict[str, list[float]]
    diversity: _Diversity | None
    metrics_without_invalid: dict[str, _Spread] | None = None
    """`metrics` without sessions whose patient is invalid; None if there are no such sessions."""

    @field_validator("guard")
    @classmethod
    def _has_those_at_the_top(cls, guard: dict[str, _Found]) -> dict[str, _Found]:
        if missing := {"loop", "role_break"} - guard.keys():
            raise ValueError(f"no count of {min(missing)}")
        return guard


def read_metrics(path: Path) -> Mapping[str, Any] | None:
    """The content of metrics.json; None without the file. Raises `StorageError` if it is damaged."""
    try:
        return _Metrics.model_validate_json(read_bytes(path, MOST_BYTES)).model_dump()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: can't be read: {error.strerror or error}") from error
    except ValidationError as error:
        mistake = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, mistake["loc"]))[:80]
        remedy = f"write it again with `python -m harness report --metrics {path.parent}`"
        raise StorageError(f"{path}: {where or 'file'}: {mistake['msg']}; {remedy}") from error
