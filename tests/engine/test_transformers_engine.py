"""The real transformers engine on the real small model."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.transformers.engine import TransformersEngine
from harness.engines.transformers.grammar import Grammars
from harness.errors import EngineError, EngineUnavailable, PromptRefused, RequestRejected
from harness.types import FinishReason, Sampling
from tests.fixtures.asking import SCHEMA, Asker, check_stop_ids, check_usage

pytestmark = pytest.mark.asyncio(loop_scope="module")

WINDOW = 512


class Loaded(NamedTuple):
    engine: TransformersEngine
    ask: Asker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loaded(small_model: Path) -> AsyncIterator[Loaded]:
    engine = TransformersEngine(
        EngineConfig(kind="transformers", max_model_len=WINDOW, max_batch=8), ModelConfig(path=str(small_model))
    )
    info = await engine.start()
    assert info.max_model_len == WINDOW
    yield Loaded(engine, Asker(small_model, WINDOW))
    await engine.close()
    await engine.close()


async def test_a_batch_honours_every_rows_own_limit_and_its_usage_adds_up(loaded: Loaded) -> None:
    requests = [
        loaded.ask(f"Number {number}: " + "how are you? " * number, max_new_tokens=6 + number, seed=number)
        for number in range(8)
    ]
    answers = await asyncio.gather(*map(loaded.engine.generate, requests))
    check_usage(loaded.ask, requests, answers)


async def test_alone_the_same_seed_gives_the_same_text(loaded: Loaded) -> None:
    first, again, other = [(await loaded.engine.generate(loaded.ask(seed=seed))).text for seed in (7, 7, 8)]
    assert first == again
    assert first != other


async def test_a_tokenizer_that_takes_no_grammar_fails_its_questions_and_not_the_engine(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the worker ended over it, every later request would wait for ever."""

    def refuse(grammars: Grammars, schema: object) -> None:
        raise TypeError("not a fast tokenizer")

    with monkeypatch.context() as patched:
        patched.setattr(Grammars, "matcher", refuse)
        question = loaded.engine.generate(loaded.ask(json_schema=SCHEMA))
        with pytest.raises(EngineError, match="TypeError: not a fast tokenizer"):
            await asyncio.wait_for(question, 10)
    assert (await asyncio.wait_for(loaded.engine.generate(loaded.ask()), 60)).completion_tokens


async def test_rows_keep_their_own_sampling(loaded: Loaded) -> None:
    greedy = Sampling(temperature=0.0)
    alone = await loaded.engine.generate(loaded.ask(sampling=greedy, max_new_tokens=8))
    everything = Sampling(temperature=1.3, top_k=3, top_p=0.9, min_p=0.05, repetition_penalty=1.3)
    mixed = [
        loaded.ask(sampling=greedy, max_new_tokens=8),
        loaded.ask(sampling=Sampling(temperature=5.0), seed=3),
        loaded.ask(sampling=everything),
    ]
    texts = [answer.text for answer in await asyncio.gather(*map(loaded.engine.generate, mixed))]
    assert texts[0] == alone.text
    assert len(set(texts)) == 3


async def test_stop_strings_end_the_turn_and_are_not_part_of_it(loaded: Loaded) -> None:
    answer = await loaded.engine.generate(
        loaded.ask(max_new_tokens=60, sampling=Sampling(temperature=0.0, stop=(".", "!")))
    )
    assert not set(".!") & set(answer.text)
    assert answer.finish_reason is FinishReason.STOP
    assert answer.completion_tokens < 60


async def test_the_templates_end_of_turn_ends_the_turn(loaded: Loaded) -> None:
    await check_stop_ids(loaded.engine.generate, loaded.ask)


async def test_a_json_schema_is_kept_beside_free_text(loaded: Loaded) -> None:
    requests = [loaded.ask(seed=seed, max_new_tokens=60, json_schema=SCHEMA if seed % 2 else None) for seed in range(4)]
    bad = loaded.engine.generate(loaded.ask(json_schema={"type": "nonsense"}))
    *answers, refused = await asyncio.gather(*map(loaded.engine.generate, requests), bad, return_exceptions=True)
    assert isinstance(refused, RequestRejected)
    for answer in answers[1::2]:
        assert set(json.loads(answer.text)) == {"mood", "calm"}  # type: ignore[union-attr]


async def test_a_prompt_that_does_not_fit_is_refused(loaded: Loaded) -> None:
    with pytest.raises(PromptRefused) as caught:
        await loaded.engine.generate(loaded.ask("word " * 600))
    assert caught.value.limit == WINDOW
    with pytest.raises(PromptRefused):
        await loaded.engine.generate(loaded.ask(max_new_tokens=WINDOW))


async def test_a_cancelled_call_frees_the_worker(loaded: Loaded) -> None:
    task = asyncio.create_task(loaded.engine.generate(loaded.ask(max_new_tokens=470)))
    await asyncio.sleep(0.5)
    task.cancel()
    answer = await asyncio.wait_for(loaded.engine.generate(loaded.ask(max_new_tokens=4)), 5)
    assert answer.latency_s < 5


async def test_closing_ends_what_runs_and_refuses_what_comes(small_model: Path) -> None:
    engine = TransformersEngine(
        EngineConfig(kind="transformers", max_model_len=WINDOW, max_batch=1), ModelConfig(path=str(small_model))
    )
    await engine.start()
    ask = Asker(small_model, WINDOW)
    tasks = [asyncio.create_task(engine.generate(ask(max_new_tokens=400, seed=seed))) for seed in range(2)]
    await asyncio.sleep(0.3)
    await asyncio.wait_for(engine.close(), 10)
    ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert all(isinstance(result, EngineUnavailable) for result in ended), "a turn cut by closing is no turn"
    with pytest.raises(EngineUnavailable):
        await engine.generate(ask())
