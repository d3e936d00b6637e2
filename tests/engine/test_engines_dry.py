"""The dry engine with a real tokenizer: exact counts, determinism, cost."""

import asyncio
import time
from functools import cache
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.dry.engine import DryEngine, Phrases
from harness.errors import ConfigError, PromptRefused, RequestRejected
from harness.types import FinishReason
from tests.fixtures.asking import Asker
from tests.fixtures.tokenizers import byte_level, sentence_piece

phrases_of = cache(Phrases)
MOST = (1, 2, 3, 7, 30, 64, 128, 500)


@pytest.mark.parametrize("tokenizer", [byte_level(), sentence_piece()], ids=["byte-level", "sentencepiece"])
def test_ids_are_what_the_tokenizer_makes_of_the_text_and_never_too_many(tokenizer: object) -> None:
    phrases = phrases_of(tokenizer)
    for seed in range(60):
        for most in MOST:
            text, ids, finish = phrases.turn(seed, most)
            assert list(ids) == tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
            assert 0 < len(ids) <= most
            assert finish in FinishReason


def test_where_sentences_do_not_add_up_the_joined_text_is_counted() -> None:
    phrases = Phrases(byte_level())
    assert phrases.additive
    added = [phrases.turn(seed, 100) for seed in range(50)]
    phrases.additive = False
    assert [phrases.turn(seed, 100)[:2] for seed in range(50)] == [answer[:2] for answer in added]


def test_texts_differ_from_seed_to_seed_and_repeat_for_one_seed() -> None:
    phrases, again = phrases_of(byte_level()), Phrases(byte_level())
    texts = [phrases.turn(seed, 128)[0] for seed in range(300)]
    assert texts == [again.turn(seed, 128)[0] for seed in range(300)]
    assert len(set(texts)) > 290


def test_a_turn_costs_less_than_a_tenth_of_a_millisecond() -> None:
    phrases = phrases_of(byte_level())
    began = time.process_time()
    for seed in range(2000):
        phrases.turn(seed, 128)
    assert (time.process_time() - began) / 2000 < 1e-4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    byte_level().save_pretrained(tmp_path)
    return tmp_path


async def test_it_needs_a_tokenizer_and_a_window_only(folder: Path) -> None:
    model = ModelConfig(path=str(folder))
    with pytest.raises(ConfigError, match=r"engine\.max_model_len"):
        DryEngine(EngineConfig(kind="dry"), model)
    engine = DryEngine(EngineConfig(kind="dry", max_model_len=300, latency_s=0.05), model)
    info = await engine.start()
    assert info.max_model_len == 300
    ask = Asker(folder, 300)
    began = time.perf_counter()
    answers = await asyncio.gather(*(engine.generate(ask.raw([1, 2, 3], seed=seed)) for seed in range(100)))
    assert 0.05 <= time.perf_counter() - began < 100 * 0.05  # they wait at the same time
    assert all(answer.completion_tokens == len(answer.token_ids) for answer in answers)
    with pytest.raises(PromptRefused):
        await engine.generate(ask.raw([1] * 290))
    await engine.close()


class Mood(BaseModel):
    """What SCHEMA describes."""

    model_config = ConfigDict(strict=True, extra="forbid")
    feeling: Literal["calm", "tense"]
    score: int = Field(ge=1, le=5)
    trust: float = Field(ge=0, le=1)
    why: str = Field(min_length=3, max_length=40)
    topics: list[str] = Field(min_length=1, max_length=3)
    note: str | None
    ended: bool


SCHEMA = {
    "$defs": {"feeling": {"enum": ["calm", "tense"]}},
    "type": "object",
    "properties": {
        "feeling": {"$ref": "#/$defs/feeling"},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "trust": {"type": "number", "minimum": 0, "maximum": 1},
        "why": {"type": "string", "minLength": 3, "maxLength": 40},
        "topics": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "ended": {"type": "boolean"},
    },
    "required": ["feeling", "score"],
    "additionalProperties": False,
}


async def test_a_json_schema_gets_a_valid_instance(folder: Path) -> None:
    engine = DryEngine(EngineConfig(kind="dry", max_model_len=2000), ModelConfig(path=str(folder)))
    await engine.start()
    ask = Asker(folder, 2000)
    for seed in range(30):
        answer = await engine.generate(ask.raw([1], seed=seed, max_new_tokens=1000, json_schema=SCHEMA))
        Mood.model_validate_json(answer.text)
    with pytest.raises(RequestRejected, match="pattern"):
        await engine.generate(ask.raw([1], json_schema={"type": "string", "pattern": "a+"}))
    await engine.close()
