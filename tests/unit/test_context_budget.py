"""The arithmetic of a window, and what it learns from an engine that refuses a prompt."""

import pytest

from harness.context.budget import DRIFT, FIRST_RATIO, Budget, Window
from harness.errors import PromptRefused


def test_a_prompt_leaves_room_for_the_whole_answer() -> None:
    assert Window(2048).prompt_budget(256) == 1792


def test_a_limit_that_the_engine_names_becomes_the_window() -> None:
    window = Window(4096)
    window.learn(PromptRefused("", limit=2048), tokens=3000, max_new_tokens=256)
    assert window.max_model_len == 2048
    assert window.prompt_budget(256) == 1792


def test_a_count_that_the_engine_names_becomes_a_margin() -> None:
    window = Window(4096)
    window.learn(PromptRefused("", limit=4096, counted=3900), tokens=3840, max_new_tokens=256)
    assert (window.max_model_len, window.margin) == (4096, 60)


@pytest.mark.parametrize(
    "error", [PromptRefused(""), PromptRefused("", limit=9999, counted=5), PromptRefused("", limit=0)]
)
def test_every_refusal_makes_later_prompts_smaller_than_the_refused_one(error: PromptRefused) -> None:
    window = Window(4096)
    for tokens in (3840, 3000, 500):
        window.learn(error, tokens=tokens, max_new_tokens=256)
        assert window.prompt_budget(256) < tokens
        assert window.prompt_budget(256) >= tokens * 0.8


def test_nothing_that_is_learned_makes_a_prompt_larger() -> None:
    window = Window(1024)
    window.observe(tokens=100, counted=130)
    window.observe(tokens=100, counted=90)
    window.learn(PromptRefused("", limit=4096, counted=10), tokens=50, max_new_tokens=10)
    assert window.max_model_len == 1024
    assert window.margin >= 30


def test_an_estimate_is_careful_until_it_is_told_better() -> None:
    window = Window(4096)
    window.estimate()
    assert window.prompt_budget(96) == 4000 / FIRST_RATIO
    window.observe(tokens=1000, counted=1000)
    assert window.prompt_budget(96) == 4000
    window.observe(tokens=1000, counted=1500)
    assert window.prompt_budget(96) * 1.5 < 4000 / (DRIFT - 0.01)
    window.observe(tokens=1000, counted=900)
    window.estimate()
    assert window.prompt_budget(96) * 1.5 < 4000 / (DRIFT - 0.01)


def test_an_estimate_never_allows_more_than_an_exact_count() -> None:
    window = Window(4096)
    window.estimate()
    window.observe(tokens=1000, counted=400)
    assert window.prompt_budget(96) == 4000


def test_a_refused_estimate_learns_the_ratio() -> None:
    window = Window(4096)
    window.estimate()
    window.learn(PromptRefused("", limit=4096, counted=6000), tokens=3000, max_new_tokens=96)
    assert window.ratio == 2 * DRIFT
    assert window.margin == 0


@pytest.mark.parametrize("prompt", [64, 500, 8000, 32000])
@pytest.mark.parametrize("base", [10, 60, 400])
@pytest.mark.parametrize("low_water", [0.1, 0.6, 0.999])
def test_the_opening_and_one_message_of_each_speaker_always_fit(prompt: int, base: int, low_water: float) -> None:
    budget = Budget(prompt, base, note_tokens=256, low_water=low_water)
    if budget.missing:
        return
    assert budget.fixed + budget.pin_cap + 2 * budget.message_cap <= budget.prompt
    assert budget.message_cap <= budget.room / 2
    assert budget.fixed < budget.target < budget.prompt
    assert budget.note_bound <= prompt / 4
