"""Work that belongs on a thread, and must come to its end."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def whole(work: Callable[..., T], *arguments: object) -> T:
    """Do `work` in a thread and wait for its end, also when cancelled meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])
