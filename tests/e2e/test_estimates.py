"""Whole sessions with a server whose tokenizer is not at hand."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.engines.dry.phrases import sentences
from tests.fixtures.loopback_server import LoopbackServer
from tests.fixtures.processes import comparable, harness

WINDOW = 2048


class Talker(LoopbackServer):
    """Answers at length, from the request's seed."""

    def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        draw = random.Random(body["seed"])
        return super()._answer(body, " ".join(draw.sample(sentences(), draw.randint(2, 9))))


def by_words(messages: list[dict[str, str]]) -> int:
    """More tokens than our stand-in counts, and more for long messages."""
    return sum(6 + int(1.9 * len(message["content"].split())) for message in messages)


def by_letters(messages: list[dict[str, str]]) -> int:
    """A tokenizer of another build: fewer tokens in a system prompt than in what is said."""
    return sum(2 + int(len(message["content"]) / (5.5 if message["role"] == "system" else 3.2)) for message in messages)


@pytest.mark.parametrize("count", [by_words, by_letters])
async def test_no_prompt_is_too_long_for_a_server_that_counts_in_its_own_way(
    count: Callable[[list[dict[str, str]]], int], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    async with Talker(count=count, max_model_len=WINDOW).running() as server:
        done = await asyncio.to_thread(
            harness,
            *("run", "engine=openai", "model=remote", f"engine.base_url={server.base_url}", f"run.dir={folder}"),
            *("personas=[two-cups,left-in-march]", "sessions_per_persona=2", "max_exchanges=25", "guard=off"),
            *("context=summarize", "context.note_tokens=96", f"engine.max_model_len={WINDOW}", "min_exchanges=25"),
            *("patient.max_new_tokens=160", "therapist.max_new_tokens=160", "patient.profile=off", "therapist=bare"),
        )
        assert done.returncode == 0, done.stderr
        assert server.refusals == 0
    sessions = comparable(folder).values()
    turns = [turn for session in sessions for turn in session["turns"]]
    assert len(turns) == 4 * 50
    assert all(turn["prompt_tokens"] + turn["max_new_tokens"] <= turn["max_model_len"] == WINDOW for turn in turns)
    assert max(turn["prompt_tokens"] for turn in turns) > 0.8 * (WINDOW - 160)
    assert any(turn["evicted_turns"] for turn in turns)
    engines = orjson.loads((folder / "run.json").read_bytes())["engines"]
    assert not any(engine["counts_as_we_do"] for engine in engines.values())
