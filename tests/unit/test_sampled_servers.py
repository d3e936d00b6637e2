"""What servers tell of sampled tokens: asked for only where wanted, and read in both forms."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from harness.config.compose import load
from harness.engines.openai.answer import generation
from harness.engines.openai.wire import chat_body, completion_body
from harness.errors import ConfigError
from harness.types import Message, Prompt, Request, Sampling

ASKED = Request(Prompt((Message("user", "Hi."),), (1, 2), 2, 8, 64), Sampling(), 0, "s/1", logprobs=True)
USAGE = {"prompt_tokens": 2, "completion_tokens": 3}
COMPLETION = {
    "choices": [
        {
            "text": "Hello you",
            "finish_reason": "stop",
            "stop_reason": None,
            "token_ids": [5, 6, 2],
            "logprobs": {"token_logprobs": [-0.5, -1.25, -0.125]},
        }
    ],
    "usage": USAGE,
}
CHOICE = {
    "message": {"content": "Hello you"},
    "finish_reason": "stop",
    "logprobs": {"content": [{"token": "Hello", "logprob": -0.5}, {"token": " you", "logprob": -1.25}]},
}
CHAT = {"choices": [CHOICE], "usage": USAGE}


def read(answer: dict[str, Any], request: Request = ASKED) -> tuple[object, ...]:
    sampled = generation(request, orjson.dumps(answer), "application/json", 0.1).sampled
    return sampled.ids, sampled.end_id, sampled.logprobs


def test_a_completion_tells_ids_the_end_and_log_probabilities() -> None:
    assert read(COMPLETION) == ((5, 6), 2, (-0.5, -1.25, -0.125))


def test_a_chat_answer_tells_log_probabilities_without_ids() -> None:
    assert read(CHAT) == ((), None, (-0.5, -1.25))


@pytest.mark.parametrize("told", [None, [], {"content": [{}]}, {"token_logprobs": [None, -1.0]}, {"content": "x"}, 5])
def test_what_cannot_be_read_is_nothing(told: object) -> None:
    answer: dict[str, Any] = {**CHAT, "choices": [{**CHOICE, "logprobs": told}]}
    assert read(answer)[2] == ()


def test_nothing_is_asked_for_that_is_not_wanted() -> None:
    plain = replace(ASKED, logprobs=False)
    assert "logprobs" not in chat_body(plain, "m", 0) | completion_body(plain, "m", 0)
    assert chat_body(ASKED, "m", 0)["logprobs"] is True
    assert completion_body(ASKED, "m", 0)["logprobs"] == 0
    assert read(COMPLETION, plain)[2] == ()


def test_an_engine_that_samples_nothing_has_no_log_probabilities_to_keep() -> None:
    with pytest.raises(ConfigError, match=r"keep\.logprobs: true, but engine=dry samples no tokens"):
        load(["engine=dry", "keep.logprobs=true"])
    assert load(["engine=transformers", "keep.logprobs=true"]).keep.logprobs
