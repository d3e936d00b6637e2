"""Runs a user's function on a thread of its own.

Invariant: nobody waits for a thread whose answer is not wanted any more, so a function that blocks can't hold up the end
of an interrupted run, and many that block don't wait for each other.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def on_own_thread(work: Callable[[], T]) -> T:
    """The result of `work`. Raises what it raises; `RuntimeError` for `StopIteration`, which no future can carry."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        if not done.done():  # a cancelled task does not wait any more
            settle()

    def run() -> None:
        settle: Callable[[], None]
        try:
            settle = partial(done.set_result, work())
        except StopIteration:
            settle = partial(done.set_exception, RuntimeError("the function raised StopIteration"))
        except BaseException as error:  # whatever it is, the task that waits has to know
            settle = partial(done.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed: the run was interrupted meanwhile
            loop.call_soon_threadsafe(tell, settle)

    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return await done
