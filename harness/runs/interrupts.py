"""Signals that stop a run: the first one saves and stops, the second one stops at once.

Invariants:
- After interrupted work has ended, the caller can save undisturbed: the signals are ignored until `handlers_kept` or the
  process ends.
- Work on another thread than the main one gets no signals; who waits for it stops it with a `Stopper`.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

T = TypeVar("T")
STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that stop a run."""
_stopper: ContextVar["Stopper | None"] = ContextVar("stopper", default=None)


class Stopper:
    """Stops work on another thread as the first SIGINT would."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._interrupts: list[Callable[[], object]] = []

    def reach(self, work: Callable[[], T]) -> T:
        """Do `work` on this thread, so that `stop` stops it."""
        token = _stopper.set(self)
        try:
            return work()
        finally:
            _stopper.reset(token)

    def stop(self) -> None:
        """Stop what is played or judged now or later; returns at once."""
        with self._lock:
            interrupts = () if self._stopped else tuple(self._interrupts)
            self._stopped = True
            for interrupt in interrupts:
                interrupt()

    @contextmanager
    def calling(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Within the block, `stop` calls `interrupt`; so does the block's begin after a `stop`."""
        with self._lock:
            if self._stopped:
                interrupt()
            self._interrupts.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)


def handled_here(numbers: Sequence[signal.Signals]) -> Sequence[signal.Signals]:
    """The signals that this thread can handle: all in the main thread, none in others."""
    return numbers if threading.current_thread() is threading.main_thread() else ()


async def interruptible(
    work: Coroutine[None, None, None],
    numbers: Sequence[signal.Signals],
    *,
    first: Callable[[], None],
    second: Callable[[], None],
) -> signal.Signals | None:
    """Await `work`; returns the signal that cancelled it, or None.

    `first` is called at the first signal, `second` at the next one, after which the process ends at once.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1:
            try:
                second()
            finally:
                os._exit(128 + signal.SIGINT)
        first()
        task.cancel()

    previous = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        loop.add_signal_handler(number, interrupt, number)
    stopper = _stopper.get()
    try:
        with (
            stopper.calling(partial(loop.call_soon_threadsafe, interrupt, signal.SIGINT)) if stopper else nullcontext()
        ):
            await task
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number, handler in previous.items():
            loop.remove_signal_handler(number)
            if received:
                signal.signal(number, signal.SIG_IGN)
            elif handler is not None:  # None: not set by Python, so it can't be restored
                signal.signal(number, handler)
    return received[0] if received else None


@contextmanager
def handlers_kept(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Restore the handlers of signals when the block ends, for a process that continues after an interruption."""
    previous = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            if handler is not None:
                signal.signal(number, handler)
