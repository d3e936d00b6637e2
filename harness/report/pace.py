"""Tokens per second, and share of prompt tokens from the cache, over the time of a run, from the journal."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StorageError
from harness.store.journal import JOURNAL, read_journal

BINS = 60
MOST_BYTES = 400_000_000
"""A larger journal is not read for this chart."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The course of a run in equal time steps."""

    seconds: float
    """Duration from the first turn to the last."""
    rate: tuple[tuple[float, float], ...]
    """(seconds from the start, generated tokens per second)."""
    cached: tuple[tuple[float, float], ...]
    """(seconds from the start, share of prompt tokens from the cache); without steps that report no cached tokens."""


def pace(run_dir: Path) -> Pace | None:
    """None without a journal, with a very large one, or if all turns have the same time. Raises `StorageError`."""
    path = run_dir / JOURNAL
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: can't be read: {error.strerror or error}") from error
    turns = list(_turns(run_dir))
    times = [time for time, *_ in turns]
    if len(turns) < 2 or max(times) - min(times) <= 0:
        return None
    return _binned(turns, min(times), max(times) - min(times))


def _turns(run_dir: Path) -> Iterator[tuple[float, int, int, int | None]]:
    """Time, generated tokens, prompt tokens and cached ones of each turn."""
    for _, record in read_journal(run_dir):
        turn, time = record.get("turn"), record.get("time")
        if record.get("event") == "turn" and isinstance(turn, dict) and isinstance(time, int | float):
            cached = turn.get("cached_tokens")
            yield (
                float(time),
                _whole(turn, "completion_tokens"),
                _whole(turn, "prompt_tokens"),
                cached if isinstance(cached, int) else None,
            )


def _whole(turn: dict[str, Any], name: str) -> int:
    value = turn.get(name)
    return value if isinstance(value, int) else 0


def _binned(turns: list[tuple[float, int, int, int | None]], start: float, seconds: float) -> Pace:
    bins = max(2, min(BINS, len(turns) // 4))
    width = seconds / bins
    generated, prompts, found = [0] * bins, [0] * bins, [0] * bins
    for time, made, prompt, cached in turns:
        at = min(bins - 1, int((time - start) / width))
        generated[at] += made
        if cached is not None:
            prompts[at] += prompt
            found[at] += cached
    middle = [width * (at + 0.5) for at in range(bins)]
    return Pace(
        seconds,
        tuple((middle[at], generated[at] / width) for at in range(bins)),
        tuple((middle[at], min(1.0, found[at] / prompts[at])) for at in range(bins) if prompts[at]),
    )
