"""Servers that silently cut prompts are seen, and kept within what they read; odd counts are not believed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import pytest

from harness.config.schema import ContextConfig
from harness.context.budget import Window
from harness.context.cut import Rising, believed, cut_at
from harness.context.manager import Answer, ContextManager
from harness.context.policies import make_policy
from harness.context.preamble import Preamble
from harness.context.render.renderer import Renderer
from harness.engines.base import EngineInfo
from harness.types import FinishReason, Generation, Message, Prompt, Request, Sampling, Speaker, Turn
from tests.fixtures.templates import chatml_bytes

NEW = 50
READS = 1200
"""Tokens that the server of these tests reads of a prompt."""


@dataclass
class Cutting:
    """Reports what `reads` makes of the tokens of a prompt, and answers whatever it read."""

    reads: Callable[[int], int]
    requests: list[Request] = field(default_factory=list)

    async def start(self) -> EngineInfo:
        return EngineInfo("openai", "m", 32_000, counts_as_we_do=False)

    async def close(self) -> None:
        """Nothing to free."""

    async def generate(self, request: Request) -> Generation:
        self.requests.append(request)
        return Generation("Go on.", (), FinishReason.STOP, self.reads(request.prompt.tokens), 3)


@cache
def renderer() -> Renderer:
    return Renderer(chatml_bytes())


async def talk(engine: Cutting, *, estimated: bool = True, exchanges: int = 18) -> tuple[list[Answer], Window]:
    window = Window(32_000)
    if estimated:
        window.estimate()
    preamble = Preamble(Speaker.THERAPIST, "You listen. " * 20, None, renderer())
    policy = make_policy(ContextConfig(policy="truncate"), None)
    manager = ContextManager(preamble, engine, window, policy, sampling=Sampling(), max_new_tokens=NEW)
    history: list[Turn] = []
    answers = []
    for _ in range(exchanges):
        history.append(Turn(len(history), Speaker.PATIENT, "word " * 12))
        answers.append(await manager.answer(history, seed=1, request_id=f"s/{len(history)}"))
        history.append(Turn(len(history), Speaker.THERAPIST, answers[-1].generation.text))
    return answers, window


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize(
    "reads",
    [
        lambda tokens: min(tokens, READS),
        lambda tokens: tokens if tokens <= READS else READS // 2 + 2,  # Ollama: half its window is left
        lambda tokens: tokens if tokens <= READS else READS - tokens % 40,  # whole messages are dropped
    ],
)
async def test_a_server_that_cuts_is_seen_once_and_then_kept_within_what_it_reads(
    reads: Callable[[int], int], estimated: bool
) -> None:
    engine = Cutting(reads)
    answers, window = await talk(engine, estimated=estimated)
    events = [event for answer in answers for event in answer.events if event.kind == "silent_cut"]
    assert 1 <= len(events) <= 2
    assert READS // 2 < events[0].data["read_tokens"] <= READS
    assert events[0].data["prompt_tokens"] > READS
    assert window.max_model_len <= READS
    assert events[0].data["prompt_tokens"] < 1.25 * READS, "it took long to see"
    assert all(reads(answer.prompt.tokens) >= 0.9 * answer.prompt.tokens for answer in answers if answer.events)
    assert all(answer.prompt.tokens <= READS for answer in answers[-5:])


async def test_a_cut_is_recorded_by_the_session_whose_prompt_was_cut() -> None:
    """Others on the same engine share its window, and may get an answer before that prompt is sent again."""
    again, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Cutting):
        async def generate(self, request: Request) -> Generation:
            if any(sent.request_id == request.request_id for sent in self.requests):
                again.set()
                await go_on.wait()
            return await super().generate(request)

    engine, window = Slow(lambda tokens: min(tokens, READS)), Window(32_000)
    preamble = Preamble(Speaker.THERAPIST, "You listen.", None, renderer())
    policy = make_policy(ContextConfig(policy="truncate"), None)

    async def answer(name: str, turns: int) -> Answer:
        manager = ContextManager(preamble, engine, window, policy, sampling=Sampling(), max_new_tokens=NEW)
        said = [Turn(i, Speaker.THERAPIST if i % 2 else Speaker.PATIENT, "word " * 12) for i in range(turns)]
        return await manager.answer(said, seed=1, request_id=f"{name}/{turns}")

    long = asyncio.create_task(answer("long", 41))
    await again.wait()
    short = await answer("short", 1)
    go_on.set()
    assert [event.kind for event in short.events] == []
    assert "silent_cut" in [event.kind for event in (await long).events]


async def test_a_server_that_reads_everything_is_never_accused() -> None:
    for ratio in (0.3, 0.8, 1.0, 1.7):
        answers, _ = await talk(Cutting(lambda tokens, r=ratio: 400 + int(r * tokens)))  # type: ignore[misc]
        assert not [event for answer in answers for event in answer.events if event.kind == "silent_cut"]


@pytest.mark.parametrize("constant", [1, 11, 200])
async def test_a_count_that_no_server_can_have_cut_to_is_not_believed(constant: int) -> None:
    answers, window = await talk(Cutting(lambda tokens: constant))
    assert not [event for answer in answers for event in answer.events if event.kind in ("silent_cut", "refusal")]
    assert window.max_model_len == 32_000


def prompt(words: int, tokens: int) -> Prompt:
    return Prompt((Message("user", "word " * words),), None, tokens, NEW, 32_000)


def test_the_first_prompt_tells_by_its_words_alone() -> None:
    assert cut_at(prompt(3000, 3500), 1000, 0, exact=False, rising=None) == 1000
    assert cut_at(prompt(3000, 3500), 2400, 0, exact=False, rising=None) is None
    assert cut_at(prompt(300, 3500), 1000, 0, exact=False, rising=None) is None, "another tokenizer, another script"
    assert cut_at(prompt(3000, 3500), 1000, 2500, exact=False, rising=None) is None, "it leaves out what was cached"
    chinese = replace(prompt(0, 9000), messages=(Message("user", "她说她很累" * 700),))
    assert cut_at(chinese, 2000, 0, exact=False, rising=None) is None
    assert cut_at(chinese, 500, 0, exact=False, rising=None) == 500


def test_a_count_may_be_no_count() -> None:
    generation = Generation("x", (), FinishReason.STOP, 100, 1)
    assert believed(prompt(90, 100), generation) == 100
    assert believed(prompt(90, 100), replace(generation, counted=False)) is None
    assert believed(prompt(90, 100), replace(generation, prompt_tokens=2**30)) is None
    rising = Rising()
    rising.saw(1000, 1000)
    assert not rising.stopped(1010, 1000)
    assert rising.stopped(1100, 1000)
    rising.forget()
    assert not rising.stopped(5000, 1000)
