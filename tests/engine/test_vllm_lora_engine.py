"""LoRA adapters on one shared vLLM base."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.vllm.engine import VllmEngine
from harness.errors import EngineError, RequestRejected
from harness.types import Sampling
from tests.fixtures.asking import Asker
from tests.fixtures.lora import write_adapter

pytest.importorskip("vllm")
pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEDY = Sampling(temperature=0.0)


class Adapted(NamedTuple):
    engine: VllmEngine
    ask: Asker
    one: Path
    two: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def adapted(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Adapted]:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    folder = tmp_path_factory.mktemp("adapters")
    one = write_adapter(folder / "one", small_model, scale=0.004, seed=1)
    two = write_adapter(folder / "two", small_model, scale=0.004, seed=2)
    # float32: in bfloat16 a batch of three rounds otherwise than a batch of one, which flips greedy tokens by itself.
    model = ModelConfig(path=str(small_model), dtype="float32")
    engine = VllmEngine(EngineConfig(kind="vllm", max_model_len=512), model, adapters=(one, two))
    await engine.start()
    yield Adapted(engine, Asker(small_model, 512), one, two)
    await engine.close()


async def test_base_and_two_adapters_answer_differently_side_by_side(adapted: Adapted) -> None:
    # Longer than a cache block, so that a prefix shared by mistake would show.
    prompt = " ".join(f"At {hour} o'clock I thought of number {hour * hour}." for hour in range(1, 13)) + " Who am I?"
    asked = [adapted.ask(prompt, sampling=GREEDY, adapter=name) for name in (None, str(adapted.one), str(adapted.two))]
    texts = [answer.text for answer in await asyncio.gather(*map(adapted.engine.generate, asked))]
    assert len(set(texts)) == 3
    again = [adapted.ask(prompt, sampling=GREEDY, adapter=name) for name in (str(adapted.two), None, str(adapted.one))]
    in_turn = [(await adapted.engine.generate(request)).text for request in again]
    assert in_turn == [texts[2], texts[0], texts[1]]


async def test_an_adapter_that_was_not_announced_is_refused(adapted: Adapted) -> None:
    with pytest.raises(RequestRejected, match="not started with the adapter"):
        await adapted.engine.generate(adapted.ask(adapter="/elsewhere"))


async def test_an_adapter_without_effect_fails_the_canary(adapted: Adapted, small_model: Path, tmp_path: Path) -> None:
    """Uses the running engine: the canary of an adapter is the same at any time."""
    from harness.engines.vllm.adapters import Adapters

    adapters = Adapters.load((write_adapter(tmp_path / "null", small_model, scale=0.0),))
    (null,) = adapters
    numbered = type(null)(null.path, null.name, 77, null.rank)
    base = await adapted.engine._first_logprobs(None)
    with pytest.raises(EngineError, match="changes nothing"):
        numbered.check(base, await adapted.engine._first_logprobs(numbered))
