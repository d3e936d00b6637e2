"""Prints the first line of a command at once: what is loading, and how long it took last time.

Nothing heavy is imported here, so that the line comes first. Durations are only a hint. They are kept in `startup.json`
of the cache; errors when reading or writing it are ignored.
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from harness.paths import __version__, cache_dir
from harness.reading.files import read_bytes
from harness.text.visible import say

MOST_BYTES = 1 << 16
MOST_KEPT = 100
"""Number of durations that are kept: the newest."""
SETTINGS = "reading and checking settings"
WORTH_TELLING_S = 1.0

_announced: list[tuple[str, float]] = []
"""The announced activity and its time by the monotonic clock, while the command is loading."""


def announce(what: str = SETTINGS) -> None:
    """Print the first line of a slow command, only at a terminal: in logs it would be noise."""
    _announced[:] = [(what, time.monotonic())]
    took = last(what)
    before = f" (took {took:.0f} s last time)" if took is not None else ""
    if sys.stderr.isatty():
        say(f"harness {__version__}: {what}{before}", file=sys.stderr)


def checked() -> None:
    """Settings are checked: remember the time since the first line, if there was one."""
    if _announced:
        what, began = _announced.pop()
        remember({what: time.monotonic() - began})


def last(what: str) -> float | None:
    """Seconds that it took last time; None if unknown, or shorter than `WORTH_TELLING_S`."""
    took = _read().get(what)
    return took if took is not None and took >= WORTH_TELLING_S else None


def remember(seconds: dict[str, float]) -> None:
    """Keep durations for the next time."""
    if not seconds:
        return
    kept = {key: value for key, value in _read().items() if key not in seconds}
    kept |= {key: round(value, 1) for key, value in seconds.items()}
    path = _path()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(dict(list(kept.items())[-MOST_KEPT:])))
        temporary.replace(path)


def _path() -> Path:
    return cache_dir() / "startup.json"


def _read() -> dict[str, float]:
    try:
        found = json.loads(read_bytes(_path(), MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: float(value) for key, value in found.items() if isinstance(value, (int, float)) and value < 1e6}
