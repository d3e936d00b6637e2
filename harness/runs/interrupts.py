"""Signals that end the work in order: once to save and stop, twice to stop at once.

Invariant: once the work was interrupted and has ended, nothing keeps its caller from saving: the signals are ignored
from then on, until `handlers_kept` ends or the process does.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""What ends a run that a person started."""


async def interruptible(
    work: Coroutine[None, None, None],
    numbers: Sequence[signal.Signals],
    *,
    first: Callable[[], None],
    second: Callable[[], None],
) -> signal.Signals | None:
    """Await `work`; the signal that cancelled it, if one did.

    `first` is told of the first signal, `second` of the next one, after which the process ends at once.
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
            elif handler is not None:  # None: not set by Python, can't be set again
                signal.signal(number, handler)
    return received[0] if received else None


@contextmanager
def handlers_kept(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Put the handlers of signals back when the block ends; for a process that goes on after an interruption."""
    previous = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            if handler is not None:
                signal.signal(number, handler)
