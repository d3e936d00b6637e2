"""Trackers: plug-ins that are told of a run as it goes, as experiment trackers are.

Invariants:
- A tracker works on a thread of its own; no session waits for it, and a run's end not without bound.
- One that fails is told of once and left out from then on; it never costs a session or a run.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from harness.agents.base import Utterance
from harness.config.plugins import TRACKERS
from harness.errors import first_line
from harness.sessions.observer import Observer
from harness.store.records import RunRecord
from harness.types import Failure, SessionResult, SessionSpec

WAITING = 1000
"""Most reports that may wait for a slow tracker; further ones are dropped, which is said at the end."""
LONGEST_S = 60.0
"""Longest that one report may take once the run is over; a tracker that takes longer is left behind."""
_LOOK_S = 0.5
"""How often `close` looks whether one hangs."""


class Tracker(Protocol):
    """What a plug-in registers. All are called on one thread, in order."""

    def started(self, run: RunRecord, folder: Path) -> None:
        """The run's folder is open; `run.config` holds all settings."""
        ...

    def session(self, result: SessionResult) -> None:
        """A session is over."""
        ...

    def finished(self, run: RunRecord, metrics: Mapping[str, Any] | None) -> None:
        """The run is over, with its metrics.json where it finished."""
        ...


K = TypeVar("K", bound=Callable[[], Tracker])


def tracker(name: str) -> Callable[[K], K]:
    """Register a class (or a function) without arguments that makes a `Tracker`: `trackers=[NAME]` turns it on."""

    def register(make: K) -> K:
        TRACKERS.add(name, make, make)
        return make

    return register


class Tracking:
    """The trackers of one run. Every method returns at once, but for `close`."""

    def __init__(self, names: Sequence[str], say: Callable[[str], None]) -> None:
        self._say = say
        self._trackers: dict[str, Tracker] = {}
        self._waiting: SimpleQueue[Callable[[Tracker], None] | None] = SimpleQueue()
        self._left_out = 0
        self._telling: tuple[str, float] | None = None
        """The tracker that is being told something, and since when."""
        for name in names:
            self._tell_one(name, partial(self._make, name))
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True) if self._trackers else None
        """A daemon, since one that hangs would also keep the process from ending."""
        if self._thread is not None:
            self._thread.start()

    def _make(self, name: str) -> None:
        self._trackers[name] = TRACKERS.get(name)()

    def started(self, run: RunRecord, folder: Path) -> None:
        run = run.model_copy(deep=True)  # a tracker may change what it gets, as its config
        self._tell(lambda one: one.started(run, folder))

    def session(self, result: SessionResult) -> None:
        self._tell(lambda one: one.session(result))

    def finished(self, run: RunRecord, metrics: Mapping[str, Any] | None) -> None:
        self._tell(lambda one: one.finished(run, metrics))

    def close(self) -> None:
        """Wait until all is told, or a tracker hangs."""
        self._waiting.put(None)
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(_LOOK_S)
            telling = self._telling
            if telling is not None and time.monotonic() - telling[1] > LONGEST_S:
                self._say(f"tracker {telling[0]}: has not returned for {LONGEST_S:g} s; the run ends without it")
                break
        if self._left_out:
            self._say(f"trackers: {self._left_out} events were left out, since the tracker was too slow")

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        if not self._trackers:
            return
        if self._waiting.qsize() > WAITING:
            self._left_out += 1
        else:
            self._waiting.put(what)

    def _work(self) -> None:
        while (what := self._waiting.get()) is not None:
            for name, one in list(self._trackers.items()):
                self._tell_one(name, partial(what, one))

    def _tell_one(self, name: str, work: Callable[[], object]) -> None:
        self._telling = name, time.monotonic()
        try:
            work()
        except (Exception, SystemExit) as error:  # a tracker's mistake is its author's to mend
            self._trackers.pop(name, None)
            self._say(f"tracker {name}: {type(error).__name__}: {first_line(error)}; it is told nothing more")
        finally:
            self._telling = None


class Tracked:
    """An observer that also tells the trackers of a run."""

    def __init__(self, observer: Observer, tracking: Tracking) -> None:
        self._observer, self._tracking = observer, tracking

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        self._observer.turn(spec, utterance)

    def finished(self, result: SessionResult) -> None:
        self._observer.finished(result)
        self._tracking.session(result)

    def failed(self, failure: Failure) -> None:
        self._observer.failed(failure)
