"""Judges many subjects, in order, with bounded memory.

Invariants:
- Scores are written in the order of the subjects, in whatever order the answers arrive.
- A failed request costs one score. An engine that can't be used any more stops the rest, and recorded answers are kept.
- No more subjects are in memory than the requests in flight need.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from harness.judges.asking import Judge
from harness.judges.judging import Judged, Plan, SessionJudge, question_tokens
from harness.judges.subject import Subject

Told = Callable[[Judged], None]


def ahead(judge_limit: int, plan: Plan) -> int:
    """The number of subjects that are judged at once: enough to keep the engine busy, few enough for its cache."""
    asks = sum(len(rubric.items) for rubric in plan.rubrics) * plan.repeats * plan.orders
    return max(2, min(64, -(-judge_limit // max(1, asks)) + 1))


async def judge_all(
    judge: Judge, plan: Plan, subjects: Iterable[Subject], *, side_by_side: int
) -> AsyncIterator[Judged]:
    """The results of the subjects, in their order. Raises `EngineUnavailable` and `StorageError`."""
    room = question_tokens(judge, plan)
    waiting: asyncio.Queue[asyncio.Task[Judged]] = asyncio.Queue()
    source: Iterator[Subject] = iter(subjects)
    try:
        for _ in range(side_by_side):
            _start(source, waiting, judge, plan, room)
        while not waiting.empty():
            done = await waiting.get_nowait()
            _start(source, waiting, judge, plan, room)
            yield done
    finally:
        left = [waiting.get_nowait() for _ in range(waiting.qsize())]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _start(
    source: Iterator[Subject], waiting: "asyncio.Queue[asyncio.Task[Judged]]", judge: Judge, plan: Plan, room: int
) -> None:
    subject = next(source, None)
    if subject is not None:
        waiting.put_nowait(asyncio.ensure_future(SessionJudge(judge, plan, subject, room).run()))
