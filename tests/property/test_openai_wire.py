"""Whatever bytes a server sends: a right answer, or an error of ours; never another exception, never a number out of bounds."""

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.openai.answer import ErrorInside, generation
from harness.engines.openai.body import LARGEST_COUNT
from harness.engines.openai.dialect import Dialect
from harness.engines.openai.discovery import cards, chosen, window_of
from harness.engines.openai.fault import read_fault, too_long
from harness.engines.openai.retry import asked_pause, told_pause
from harness.engines.openai.secrets import Scrubber
from harness.errors import ConfigError, EngineError
from harness.types import Message, Prompt, Request, Sampling

REQUEST = Request(Prompt((Message("user", "I feel small."),), None, 700, 50, 4096), Sampling(), 1, "s/1")
SCRUB = Scrubber("sk-secret-key-of-tests")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=40)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def of_keys(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that look like what servers send, with anything as values."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))


USAGE = of_keys(
    "prompt_tokens", "completion_tokens", "input_tokens", "prompt_tokens_details", "completion_tokens_details"
)
MESSAGE = of_keys("content", "reasoning", "reasoning_content", "refusal", "role")
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "message": MESSAGE | JSON,
        "text": JSON,
        "finish_reason": JSON | st.just("stop"),
        "token_ids": JSON,
        "error": JSON,
    },
)
COMPLETION = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(CHOICE, max_size=2) | JSON, "usage": USAGE | JSON, "error": JSON}
)
FAULT = st.fixed_dictionaries(
    {},
    optional={
        "error": of_keys("message", "code", "type", "param", "metadata", "n_ctx", "n_prompt_tokens") | JSON,
        "detail": JSON,
    },
)


def written(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


BODIES = st.binary(max_size=200) | COMPLETION.map(written) | JSON.map(written) | FAULT.map(written)


@given(BODIES, st.sampled_from(["application/json", "", "text/plain"]))
def test_an_answer_is_right_or_an_error(payload: bytes, content_type: str) -> None:
    try:
        answer = generation(REQUEST, payload, content_type, 0.1, SCRUB)
    except (EngineError, ErrorInside):
        return
    assert answer.text.strip() or answer.reasoning
    counts = (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens or 0, *answer.token_ids)
    assert all(type(number) is int and 0 <= number < 2 * LARGEST_COUNT for number in counts)
    orjson.dumps([answer.text, answer.reasoning, *counts])


@pytest.mark.parametrize("part", [b"<script>", b"<style ", b"<", b"</script", b"< "])
def test_a_page_of_open_tags_does_not_hold_up_other_sessions(part: bytes) -> None:
    began = time.thread_time()
    read_fault(502, part * 8000 + b" sk-secret-key-of-tests", SCRUB)
    assert time.thread_time() - began < 1.0


def test_scripts_of_a_page_are_no_words_of_the_server() -> None:
    page = b"<html><style>p {}</style><body>Bad gateway <script>let a = 1</script> today <script>let b = 2"
    assert read_fault(502, page, SCRUB).text == "Bad gateway today"


@given(BODIES, st.integers(200, 599))
def test_a_fault_is_read_and_judged_whatever_it_is(payload: bytes, status: int) -> None:
    fault = read_fault(status, payload, SCRUB)
    overflow = too_long(fault, 700, 50, 4096)
    assert overflow is None or all(number is None or number > 0 for number in overflow)
    learnt, what = Dialect().learn(
        fault, {"seed": 1, "temperature": 1.2, "top_p": 0.5, "max_tokens": 50, "messages": []}
    )
    assert isinstance(learnt, bool)
    assert not what or learnt
    assert fault.quota_used_up(told_pause(fault.text)) in (True, False)
    orjson.dumps([fault.text, fault.shown, *fault.codes, *fault.params])


@given(
    BODIES
    | st.fixed_dictionaries({"data": st.lists(of_keys("id", "max_model_len", "parent", "meta") | JSON)}).map(written)
)
def test_a_list_of_models_is_read_or_refused(payload: bytes) -> None:
    models = cards(payload, SCRUB)
    if models is None:
        return
    try:
        card = chosen(models, None, "http://server/v1")
    except ConfigError:
        return
    window = window_of(card, models)
    assert window is None or 0 < window < LARGEST_COUNT


@given(st.text(max_size=60))
def test_a_pause_is_sensible_or_none(text: str) -> None:
    for pause in (
        asked_pause({"retry-after": text}),
        asked_pause({"retry-after-ms": text}),
        told_pause(f"try again in {text}"),
    ):
        assert pause is None or 0.0 <= pause <= 86_400.0
