"""The manager keeps every prompt within its window under each policy, and says what it did."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.config.schema import ContextConfig
from harness.context.ask import NoAnswer, StructuredQuery
from harness.context.budget import Window
from harness.context.manager import Answer, ContextManager
from harness.context.policies import make_policy
from harness.context.preamble import Preamble, preflight
from harness.context.render.renderer import Renderer
from harness.context.send import PromiseBroken, send
from harness.context.summary import Summarizer
from harness.context.view import NOTE_HEADING, project
from harness.engines.base import EngineInfo
from harness.errors import ContextOverflow, EngineError, EngineUnavailable, PromptRefused
from harness.types import FinishReason, Generation, Message, Prompt, Request, Sampling, Speaker, Turn, View
from tests.fixtures.templates import chatml_bytes

PATIENT, THERAPIST = Speaker.PATIENT, Speaker.THERAPIST
WINDOW, MAX_NEW, NOTE = 1500, 100, 200


@dataclass
class Engine:
    """Answers with what `note` and `turn` say; keeps every request."""

    turn: Callable[[Request], str] = lambda request: "Go on."
    note: Callable[[Request], str] = lambda request: "The patient told of Anna."
    finish: FinishReason = FinishReason.STOP
    counts: Callable[[int], int] = lambda tokens: tokens
    requests: list[Request] = field(default_factory=list)

    async def start(self) -> EngineInfo:
        return EngineInfo("test", "none", WINDOW)

    async def close(self) -> None:
        """Nothing to free."""

    async def generate(self, request: Request) -> Generation:
        self.requests.append(request)
        summary = "/summary" in request.request_id
        text = (self.note if summary else self.turn)(request)
        finish = self.finish if summary else FinishReason.STOP
        return Generation(text, (), finish, self.counts(request.prompt.tokens), len(text))

    def prompts(self) -> list[str]:
        return ["\n".join(message.content for message in request.prompt.messages) for request in self.requests]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(chatml_bytes())


def make(
    renderer: Renderer, engine: Engine, policy: str, *, speaker: Speaker = THERAPIST, **options: Any
) -> ContextManager:
    window = options.pop("window", None) or Window(WINDOW)
    preamble = Preamble(
        speaker, options.pop("system", "You listen."), "(It begins.)" if speaker is PATIENT else None, renderer
    )
    summarizer = Summarizer(StructuredQuery(engine, renderer, window, max_new_tokens=NOTE))
    config = ContextConfig(policy=policy, note_tokens=NOTE)
    made = make_policy(config, summarizer)
    return ContextManager(preamble, engine, window, made, sampling=Sampling(), max_new_tokens=MAX_NEW, **options)


def history(turns: int, length: int = 60) -> list[Turn]:
    return [Turn(i, THERAPIST if i % 2 else PATIENT, f"turn {i} ".ljust(length, "x")) for i in range(turns)]


async def play(manager: ContextManager, turns: Sequence[Turn]) -> list[Answer]:
    """Answers of `manager` after every turn of the other speaker."""
    first = 0 if manager.preamble.speaker is PATIENT else 1
    return [
        await manager.answer(turns[:index], seed=7, request_id=f"s/{index}")
        for index in range(first, len(turns) + 1, 2)
    ]


def compactions(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    return [dict(event.data) for answer in answers for event in answer.events if event.kind == "compaction"]


@pytest.mark.parametrize("speaker", [PATIENT, THERAPIST])
@pytest.mark.parametrize("policy", ["truncate", "summarize", "hybrid"])
async def test_a_long_session_fits_and_shrinks_to_the_low_water_mark_seldom(
    renderer: Renderer, policy: str, speaker: Speaker
) -> None:
    engine = Engine()
    answers = await play(make(renderer, engine, policy, speaker=speaker), history(81))
    assert all(request.prompt.tokens + request.prompt.max_new_tokens <= WINDOW for request in engine.requests)
    done = compactions(answers)
    assert 3 < len(done) < 15
    budget = WINDOW - MAX_NEW
    assert all(item["tokens_before"] > budget >= item["tokens_after"] for item in done)
    assert all(item["tokens_after"] <= 0.6 * budget for item in done)
    assert answers[-1].view.pinned == 2
    assert answers[-1].evicted_turns == answers[-1].view.first - 2 > 0
    assert [event.turn for event in answers[-1].events] in ([], [len(history(81)) - (speaker is PATIENT)])


async def test_truncate_says_which_turns_left_each_one_once(renderer: Renderer) -> None:
    answers = await play(make(renderer, Engine(), "truncate"), history(81))
    left = [index for item in compactions(answers) for index in item["left"]]
    assert left == list(range(2, answers[-1].view.first))
    assert all(item["note"] is None and item["note_tokens"] == 0 for item in compactions(answers))
    assert answers[-1].summary_tokens == 0


async def test_a_draft_that_was_not_taken_leaves_no_trace_in_the_view(renderer: Renderer) -> None:
    """A resumed session knows only the draft that became the turn, and must go on the same."""
    turns = history(81)
    manager = make(renderer, Engine(), "truncate")
    last, first = None, None
    for end in range(1, 81, 2):
        first = await manager.answer(turns[:end], seed=7, request_id=f"s/{end}")
        second = await manager.answer(turns[:end], seed=8, request_id=f"s/{end}.1", direction="Say less. " * 40)
        if second.view.first > first.view.first:
            last = end
            break
        manager.settle(second.view)
    assert last is not None, "the direction of a second draft never made the view too long"
    assert first is not None
    manager.settle(first.view)
    resumed = make(renderer, Engine(), "truncate")
    resumed.restore(first.view)
    for end in (last + 2, last + 4):
        going_on = await manager.answer(turns[:end], seed=7, request_id="s")
        again = await resumed.answer(turns[:end], seed=7, request_id="s")
        assert (going_on.view, going_on.prompt, going_on.events) == (again.view, again.prompt, again.events)


async def test_between_compactions_a_prompt_begins_with_the_one_before(renderer: Renderer) -> None:
    answers = await play(make(renderer, Engine(), "truncate"), history(81))
    for before, after in itertools.pairwise(answers):
        if not after.events:
            ids = list(before.prompt.ids or ())
            assert list(after.prompt.ids or ())[: len(ids)] == ids


async def test_a_prompt_is_rebuilt_from_history_and_view_alone(renderer: Renderer) -> None:
    turns = history(81)
    for speaker in (PATIENT, THERAPIST):
        manager = make(renderer, Engine(), "hybrid", speaker=speaker)
        for answer, length in zip(await play(manager, turns), range(speaker is THERAPIST, 82, 2), strict=True):
            preamble = manager.preamble
            rebuilt = project(preamble.system, preamble.opening, speaker, turns[:length], answer.view, renderer)
            assert list(renderer.render_full(rebuilt)) == list(answer.prompt.ids or ())


async def test_a_resumed_session_goes_on_with_the_same_prompts(renderer: Renderer) -> None:
    turns = history(61)
    whole = await play(make(renderer, Engine(), "summarize"), turns)
    for cut in (5, 20, 29):
        resumed = make(renderer, Engine(), "summarize")
        resumed.restore(whole[cut].view)
        answer = await resumed.answer(turns[: 2 * cut + 3], seed=7, request_id="s")
        assert answer.prompt == whole[cut + 1].prompt
        assert answer.view == whole[cut + 1].view
        assert answer.summary_tokens == whole[cut + 1].summary_tokens


async def test_none_fails_the_session_with_both_numbers_and_leaves_nothing_out_before(renderer: Renderer) -> None:
    manager = make(renderer, Engine(), "none")
    turns = history(81)
    shown = await manager.answer([Turn(0, PATIENT, "x" * 1300)], seed=0, request_id="s")
    assert "left out" not in shown.prompt.messages[-1].content
    with pytest.raises(ContextOverflow, match=r"none.*tokens.*at most 1400 fit"):
        await play(manager, turns)


async def test_a_message_that_alone_is_too_long_is_shortened_for_good(renderer: Renderer) -> None:
    turns = history(5)
    turns[2] = Turn(2, PATIENT, " ".join(f"word{i}" for i in range(2000)))
    answers = await play(make(renderer, Engine(), "truncate"), turns)
    shortened = answers[1].prompt.messages[-1].content
    assert "words left out" in shortened
    assert shortened in [message.content for message in answers[2].prompt.messages]


async def test_the_opening_stays_only_if_it_is_small(renderer: Renderer) -> None:
    turns = history(81)
    turns[0] = Turn(0, PATIENT, "o" * 400)
    answers = await play(make(renderer, Engine(), "truncate"), turns)
    assert answers[-1].view.pinned == 0
    assert compactions(answers)[0]["left"][:2] == [0, 1]


async def test_the_note_stands_for_what_left_and_each_turn_is_summarized_once(renderer: Renderer) -> None:
    engine = Engine(note=lambda request: f"Note {request.request_id}.")
    answers = await play(make(renderer, engine, "summarize"), history(81))
    last = compactions(answers)[-1]
    assert answers[-1].view.note == last["note"]
    assert last["note_tokens"] == renderer.count_text(last["note"]) == answers[-1].summary_tokens
    assert f"{NOTE_HEADING}\n{last['note']}" in answers[-1].prompt.messages[0].content
    summaries = [
        text
        for text, request in zip(engine.prompts(), engine.requests, strict=True)
        if "/summary" in request.request_id
    ]
    for index in range(2, answers[-1].view.first):
        assert sum(f": turn {index} " in text for text in summaries) == 1
    assert "Note s/" in summaries[-1]


@pytest.mark.parametrize(
    ("note", "finish", "reason"),
    [
        ("", FinishReason.STOP, "empty"),
        ("   \n", FinishReason.STOP, "empty"),
        ("y" * 1000, FinishReason.STOP, "longer than"),
        ("no sentence ends here", FinishReason.LENGTH, "longer than"),
    ],
)
@pytest.mark.parametrize("policy", ["summarize", "hybrid"])
async def test_without_a_usable_note_the_view_is_truncated_and_the_old_note_stays(
    renderer: Renderer, policy: str, note: str, finish: FinishReason, reason: str
) -> None:
    engine = Engine()
    manager = make(renderer, engine, policy)
    turns = history(81)
    good = await play(manager, turns[:41])
    engine.note, engine.finish = lambda request: note, finish
    answers = [await manager.answer(turns[:i], seed=7, request_id=f"s/{i}") for i in range(43, 82, 2)]
    done = compactions(answers)
    assert done
    assert all(reason in item["fallback"] for item in done)
    assert answers[-1].view.note == good[-1].view.note == "The patient told of Anna."
    assert answers[-1].view.first > good[-1].view.first


async def test_summarize_owes_what_a_failed_note_missed_and_hybrid_lets_it_go(renderer: Renderer) -> None:
    for policy, owes in (("summarize", True), ("hybrid", False)):
        engine = Engine(note=lambda request: "")
        manager = make(renderer, engine, policy)
        turns = history(81)
        failed = await play(manager, turns[:41])
        missed = compactions(failed)[0]["left"][0]
        engine.note, engine.requests[:] = lambda request: "All of it.", []
        answers = [await manager.answer(turns[:i], seed=7, request_id=f"s/{i}") for i in range(43, 82, 2)]
        assert answers[-1].view.note == "All of it."
        assert any(f": turn {missed} " in text for text in engine.prompts() if "clinical notes" in text) is owes


async def test_an_engine_error_while_summarizing_truncates_but_an_engine_that_is_gone_is_not_hidden(
    renderer: Renderer,
) -> None:
    def fail(error: EngineError) -> Callable[[Request], str]:
        def raise_it(request: Request) -> str:
            raise error

        return raise_it

    answers = await play(make(renderer, Engine(note=fail(EngineError("boom"))), "hybrid"), history(41))
    assert "boom" in compactions(answers)[0]["fallback"]
    with pytest.raises(EngineUnavailable):
        await play(make(renderer, Engine(note=fail(EngineUnavailable("gone"))), "hybrid"), history(41))


async def test_a_note_cut_off_by_its_length_ends_with_its_last_whole_sentence(renderer: Renderer) -> None:
    engine = Engine(note=lambda request: "She sleeps badly. They agreed on a walk on Tues", finish=FinishReason.LENGTH)
    answers = await play(make(renderer, engine, "summarize"), history(41))
    assert answers[-1].view.note == "She sleeps badly."


async def test_dialogue_longer_than_the_summarizers_window_is_summarized_in_pieces(renderer: Renderer) -> None:
    engine = Engine(note=lambda request: f"Note after {request.request_id[-1]}.")
    summarizer = Summarizer(StructuredQuery(engine, renderer, Window(1900), max_new_tokens=NOTE))
    note = await summarizer.note(history(60, 100), "Old note.", NOTE, seed=0, request_id="s")
    assert note.pieces == len(engine.requests) > 3
    assert "Old note." in engine.prompts()[0]
    assert "Note after 0." in engine.prompts()[1]
    assert all(request.prompt.tokens + NOTE <= 1900 for request in engine.requests)
    for index in range(60):
        assert sum(f": turn {index} " in text for text in engine.prompts()) == 1


async def test_a_window_too_small_for_any_summary_says_so(renderer: Renderer) -> None:
    summarizer = Summarizer(StructuredQuery(Engine(), renderer, Window(600), max_new_tokens=NOTE))
    with pytest.raises(NoAnswer, match="window of 600"):
        await summarizer.note(history(4), None, NOTE, seed=0, request_id="s")


async def test_an_engine_with_a_smaller_window_is_learned_and_never_seen(renderer: Renderer) -> None:
    def smaller(request: Request) -> str:
        if request.prompt.tokens + request.prompt.max_new_tokens > 700:
            raise PromptRefused("too long", limit=700)
        return "Go on."

    window = Window(WINDOW)
    engine = Engine(turn=smaller)
    manager = make(renderer, engine, "truncate", window=window)
    answers = await play(manager, history(61))
    refusals = [event for answer in answers for event in answer.events if event.kind == "refusal"]
    assert len(refusals) == 1
    assert refusals[0].data["max_model_len"] == window.max_model_len == 700
    assert all(answer.generation.text == "Go on." for answer in answers)
    other = make(renderer, engine, "truncate", window=window)
    answers = await play(other, history(61))
    assert not [event for answer in answers for event in answer.events if event.kind == "refusal"]


async def test_an_answer_to_a_prompt_that_was_too_long_by_the_engines_count_is_no_turn(renderer: Renderer) -> None:
    """The engine's own window is larger than the one that was configured, so it refuses nothing."""
    manager = make(renderer, Engine(counts=lambda n: int(1.3 * n) if n > 0.7 * WINDOW else n), "truncate")
    manager.window.estimate(1.0)
    answers = await play(manager, history(61))
    assert [event.kind for answer in answers for event in answer.events].count("refusal") == 1
    assert all(a.generation.prompt_tokens + MAX_NEW <= a.prompt.max_model_len == WINDOW for a in answers)


async def test_a_turn_asked_again_after_a_failure_still_tells_of_its_compaction(renderer: Renderer) -> None:
    def gone(request: Request) -> str:
        raise EngineUnavailable("restarting")

    engine = Engine(turn=gone)
    manager = make(renderer, engine, "truncate")
    with pytest.raises(EngineUnavailable):
        await manager.answer(history(41), seed=0, request_id="s")
    engine.turn = lambda request: "Go on."
    answer = await manager.answer(history(41), seed=0, request_id="s")
    assert [event.kind for event in answer.events] == ["compaction"]
    again = await manager.answer(history(41), seed=1, request_id="s.1")
    assert again.events == ()


async def test_an_engine_that_refuses_everything_is_not_asked_for_ever(renderer: Renderer) -> None:
    def refuse(request: Request) -> str:
        raise PromptRefused("too long")

    engine = Engine(turn=refuse)
    with pytest.raises((PromptRefused, ContextOverflow)):
        await make(renderer, engine, "truncate").answer(history(21), seed=0, request_id="s")
    assert len(engine.requests) < 10


@pytest.mark.parametrize("sizes", [(100, 11), (0, 10), (90, 0)])
async def test_the_guard_rail_sends_nothing_that_does_not_fit(sizes: tuple[int, int]) -> None:
    tokens, max_new = sizes
    engine = Engine()
    prompt = Prompt((Message("user", "x"),), [1] * tokens, tokens, max_new, 110)
    with pytest.raises(PromiseBroken):
        await send(engine, Request(prompt, Sampling(), 0, "s"))
    assert not engine.requests


async def test_the_guard_rail_counts_for_itself() -> None:
    prompt = Prompt((Message("user", "x"),), [1] * 50, 40, 10, 110)
    with pytest.raises(PromiseBroken, match="50 ids"):
        await send(Engine(), Request(prompt, Sampling(), 0, "s"))


def test_preflight_names_the_persona_what_is_there_and_what_would_fit(renderer: Renderer) -> None:
    preamble = Preamble(THERAPIST, "You listen. " * 200, None, renderer)
    with pytest.raises(ContextOverflow, match=r"persona anna, therapist: .* max_model_len=1024; (\d+) would") as caught:
        preflight("persona anna, therapist", preamble, Window(1024), max_new_tokens=MAX_NEW, note_tokens=NOTE)
    enough = int(str(caught.value).split("; ")[-1].split()[0])
    preflight("persona anna", preamble, Window(enough), max_new_tokens=MAX_NEW, note_tokens=NOTE)
    with pytest.raises(ContextOverflow):
        preflight("persona anna", preamble, Window(enough - 1), max_new_tokens=MAX_NEW, note_tokens=NOTE)


async def test_what_preflight_lets_pass_can_be_played_to_the_end(renderer: Renderer) -> None:
    system = "You listen. " * 100
    for speaker in (PATIENT, THERAPIST):
        preamble = Preamble(speaker, system, "(It begins.)" if speaker is PATIENT else None, renderer)
        window = Window(300)
        try:
            preflight("a", preamble, window, max_new_tokens=MAX_NEW)
        except ContextOverflow as error:
            window = Window(int(str(error).split("; ")[-1].split()[0]))
        manager = make(renderer, Engine(), "truncate", speaker=speaker, system=system, window=window)
        assert len(await play(manager, history(31, 700))) == 16


async def test_a_view_is_for_a_history_that_grows_but_another_history_is_not_mixed_up_with_it(
    renderer: Renderer,
) -> None:
    manager = make(renderer, Engine(), "truncate")
    await manager.answer(history(3), seed=0, request_id="s")
    other = [*history(2), Turn(2, PATIENT, "said differently")]
    answer = await manager.answer(other, seed=0, request_id="s")
    assert answer.prompt.messages[-1].content == "said differently"
    assert manager.view == View(message_cap=manager.view.message_cap)
