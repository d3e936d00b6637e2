"""OpenAI-compatible servers as they are: each of their ways ends in a right turn, or in one clear line."""

import re
from collections.abc import Sequence

import pytest

from harness.config.schema import EngineConfig, ModelConfig
from harness.context.budget import Window
from harness.context.meter import Meter
from harness.context.send import deliver
from harness.engines.events import Learned, Notice
from harness.engines.openai.engine import OpenAIEngine
from harness.engines.openai.retry import Patience
from harness.errors import EngineUnavailable, HarnessError, PromptRefused
from harness.types import Generation, Message, Prompt, Purpose, Request, Sampling
from tests.fixtures.quirks import ASKED, NEW, QUIRKS, Quirk, QuirkServer

QUICK = Patience(deadline_s=20.0, first_wait_s=0.01, longest_wait_s=0.02)


async def play(server: QuirkServer, meter: Meter, seen: list[Notice]) -> tuple[Generation, list[Prompt]]:
    """Ask once, as a session does: in a window that learns."""
    config = EngineConfig(
        kind="openai", base_url=server.base_url, model="m", max_model_len=4096, request_timeout_s=5.0, outage_s=5.0
    )
    engine = OpenAIEngine(config, ModelConfig(path="m", stand_in=True), listener=seen.append, patience=QUICK)
    window = Window((await engine.start()).max_model_len)
    window.estimate(1.0)
    refused: list[Prompt] = []

    async def build() -> Request:
        tokens = min(ASKED, window.prompt_budget(NEW))
        prompt = Prompt((Message("user", " ".join(["word"] * tokens)),), None, tokens, NEW, window.max_model_len)
        return Request(prompt, Sampling(temperature=1.2, top_p=0.9, top_k=5), 5, "session/1")

    def told(prompt: Prompt, error: PromptRefused) -> None:
        refused.append(prompt)

    try:
        _, answer = await deliver(engine, window, build, told, meter=meter)
    finally:
        await engine.close()
    return answer, refused


def check_turn(quirk: Quirk, answer: Generation, refused: Sequence[Prompt], seen: Sequence[Notice]) -> None:
    assert answer.text == quirk.text
    assert answer.finish_reason == quirk.finish
    assert answer.reasoning == quirk.reasoning
    prompt, cached, completion = quirk.usage
    if prompt >= 0:
        assert (answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) == (prompt, cached, completion)
    assert bool(refused) == quirk.name.startswith("overflow")
    learned = [notice.what for notice in seen if isinstance(notice, Learned)]
    assert len(learned) == bool(quirk.learned)
    assert all(quirk.learned in what for what in learned)


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
async def test_every_quirk_ends_in_a_right_turn_or_in_one_clear_line(quirk: Quirk) -> None:
    seen: list[Notice] = []
    meter = Meter()
    async with QuirkServer(quirk).running() as server:
        if quirk.text is not None:
            answer, refused = await play(server, meter, seen)
            check_turn(quirk, answer, refused, seen)
            spent = meter.take().get(Purpose.REJECTED_DRAFT)
            assert spent is not None
            assert spent.requests >= 1
        else:
            with pytest.raises(HarnessError) as caught:
                await play(server, meter, seen)
            assert re.search(quirk.line, str(caught.value)), str(caught.value)
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 600
            assert isinstance(caught.value, EngineUnavailable) == quirk.stops_run
    assert len(server.bodies) <= quirk.most_requests


def test_the_table_is_as_long_as_it_claims() -> None:
    assert len({quirk.name for quirk in QUIRKS}) == len(QUIRKS) >= 100
