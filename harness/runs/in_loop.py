"""Runs work that starts an event loop of its own, from wherever it is called: a script, a notebook's loop, a coroutine.

Invariant: an interruption or a cancellation of the caller stops the work in order, and waits until it is saved.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from harness.runs.interrupts import STOPPING, Stopper, handled_here, handlers_kept

T = TypeVar("T")


def here_or_in_a_thread(work: Callable[[], T]) -> T:
    """Do work that starts an event loop of its own: in a thread where one runs here already, as in a notebook.

    Ctrl-C stops it in order in both, and the caller's own handling of signals is as before.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        with handlers_kept(handled_here(STOPPING)):
            return work()
    stopper = Stopper()
    cancelled = task.cancelling() if task is not None else 0
    with ThreadPoolExecutor(1, "harness") as thread:  # its end waits until an interrupted run is saved
        done = thread.submit(copy_context().run, stopper.reach, work)
        try:
            while not wait([done], timeout=0.2).done:
                if task is not None and task.cancelling() > cancelled:  # what `asyncio.run` makes of Ctrl-C
                    stopper.stop()
            return done.result()
        except KeyboardInterrupt:
            stopper.stop()
            raise


async def awaited(work: Callable[[], T]) -> T:
    """Do work in a thread. A cancellation stops it in order, and waits for its end."""
    stopper = Stopper()
    done = asyncio.ensure_future(asyncio.to_thread(stopper.reach, work))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stopper.stop()
        await asyncio.wait([done])
        raise
