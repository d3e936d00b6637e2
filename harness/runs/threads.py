"""Runs blocking work on a thread, to its end."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from harness.engines.completion import completed

T = TypeVar("T")


async def whole(work: Callable[..., T], *arguments: object) -> T:
    """Run `work` in a thread and wait for its end, even if this task is cancelled meanwhile."""
    return await completed(asyncio.to_thread(work, *arguments))
