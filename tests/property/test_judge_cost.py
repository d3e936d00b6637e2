"""What asking many questions about one transcript computes, where the engine keeps prefixes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.types import Generation, Request
from tests.fixtures.engines import Scripted
from tests.fixtures.judging import judged, long_session, rubrics, subject


def _says(answer: str) -> str:
    return json.dumps({"evidence": [], "reason": "r", "answer": answer})


class _Caching(Scripted):
    """An engine whose prefix cache holds whole blocks, as vLLM's does."""

    def __init__(self, block: int) -> None:
        super().__init__(lambda request: _says("no" if "no: " in request.prompt.messages[-1].content else "0"))
        self._block = block
        self._blocks: set[int] = set()
        self.computed: list[int] = []

    async def generate(self, request: Request) -> Generation:
        ids = tuple(request.prompt.ids or ())
        ends = range(self._block, len(ids) + 1, self._block)
        held = 0
        while held + self._block <= len(ids) - 1 and hash(ids[: held + self._block]) in self._blocks:
            held += self._block
        self._blocks |= {hash(ids[:end]) for end in ends}
        self.computed.append(len(ids) - held)
        return replace(await super().generate(request), prompt_tokens=len(ids), cached_tokens=held)


@pytest.mark.parametrize("block", [16, 32])
async def test_forty_items_cost_at_most_one_and_a_half_times_one(block: int, tmp_path: Path) -> None:
    chosen, left = [], 40
    for rubric in rubrics("safety-gate", "harm-boundaries", "cbt-skills", "alliance", "ai-talk", "mi-coding"):
        items = [item.model_copy(update={"needs": ()}) for item in rubric.items if rubric.unit_of(item) == "session"]
        chosen.append(rubric.model_copy(update={"items": tuple(items[:left])}))
        left -= len(items[:left])
    assert left == 0
    engine = _Caching(block)
    [done] = await judged(tmp_path, engine, [subject("s", long_session(120))], chosen, window=32_768)
    assert len(done.scores) == 40
    first = [request for request in engine.requests if request.request_id.split("/")[4].endswith(".0")]
    assert len(first) == 40
    one = len(engine.requests[0].prompt.ids or ())
    assert 5000 < one < 9000
    computed = sum(cost for cost, request in zip(engine.computed, engine.requests, strict=True) if request in first)
    assert computed <= 1.5 * one
    prompts = sum(len(request.prompt.ids or ()) for request in first)
    assert computed <= 0.1 * prompts
