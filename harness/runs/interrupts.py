"""Signals that stop a run: the first one saves and stops, the second one stops at once.

Invariant: after interrupted work has ended, the caller can save undisturbed: the signals are ignored until
`handlers_kept` or the process ends.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that stop a run."""


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
    try:
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
