"""What a model writes becomes the same answer on every engine: reasoning apart, and empty where there is nothing else.

The engines' own code on answers that are written here; and both in-process engines on a real model whose folder names the
class that drops spaces.
"""

import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.config.schema import EngineConfig, ModelConfig
from harness.context.render.renderer import Renderer
from harness.engines.openai.answer import generation
from harness.engines.openai.wire import chat_body, completion_body
from harness.engines.pool import build
from harness.models.tokenizer import load_tokenizer
from harness.types import Generation, Message, Request, Sampling
from tests.fixtures.templates.formats import ANSWER, FORMATS, THOUGHT, tokenizer_of

NAMES = [name for name, each in FORMATS.items() if each.cut]


@cache
def renderer_of(name: str) -> Renderer:
    return Renderer(tokenizer_of(name), template_args=FORMATS[name].args, name=name)


def request_of(renderer: Renderer, **sampling: Any) -> Request:
    messages = [Message("user", "Hi")]
    prompt = renderer.prompt(messages, renderer.render(messages).ids, max_new_tokens=400, max_model_len=4096)
    return Request(prompt, Sampling(**sampling), 1, "s/1")


def by_vllm(renderer: Renderer, request: Request, ids: list[int], finish: str) -> Generation:
    pytest.importorskip("vllm")
    from harness.engines.vllm.engine import VllmEngine

    engine = VllmEngine.__new__(VllmEngine)
    engine._end_ids = frozenset()
    skip = not request.prompt.answer.special
    text = renderer.tokenizer.decode(ids, skip_special_tokens=skip)
    done = SimpleNamespace(finish_reason=finish, token_ids=ids, text=text, stop_reason=None, logprobs=None)
    output = SimpleNamespace(outputs=[done], prompt_token_ids=[1], num_cached_tokens=0)
    return engine._generation(output, request, 0.1)


def by_transformers(renderer: Renderer, request: Request, ids: list[int], finish: str) -> Generation:
    from harness.engines.transformers.engine import _Loaded

    loaded = _Loaded.__new__(_Loaded)
    loaded._tokenizer = renderer.tokenizer
    loaded._end_ids = frozenset()
    return loaded._generation(SimpleNamespace(request=request), ids, 0.1)  # type: ignore[arg-type]


def by_completions(renderer: Renderer, request: Request, ids: list[int], finish: str) -> Generation:
    body = completion_body(request, "m", 1)
    skip = body.get("skip_special_tokens", True)
    assert skip is not bool(request.prompt.answer.special)
    text = renderer.tokenizer.decode(ids, skip_special_tokens=skip)
    choice = {"text": text, "finish_reason": finish}
    return generation(request, json.dumps({"choices": [choice]}).encode(), "application/json", 0.1)


def by_chat(renderer: Renderer, request: Request, ids: list[int], finish: str) -> Generation:
    """A server that does not know the model's format."""
    text = renderer.tokenizer.decode(ids, skip_special_tokens=False)
    choice = {"message": {"content": text}, "finish_reason": finish}
    return generation(request, json.dumps({"choices": [choice]}).encode(), "application/json", 0.1)


Engine = Callable[[Renderer, Request, list[int], str], Generation]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", [by_vllm, by_transformers, by_completions, by_chat])
def test_reasoning_is_kept_apart_and_alone_it_is_an_empty_answer(engine: Engine, name: str) -> None:
    each = FORMATS[name]
    renderer = renderer_of(name)
    request = request_of(renderer)
    said = engine(renderer, request, list(renderer.encode(each.written(each.wrote))), "stop")
    assert said.text.strip() == ANSWER
    assert (said.reasoning or "").startswith(THOUGHT)
    cut = engine(renderer, request, list(renderer.encode(each.written(each.cut or ""))), "length")
    assert cut.text == ""
    assert THOUGHT in (cut.reasoning or "")


def test_a_chat_server_is_told_what_the_template_was_told() -> None:
    assert chat_body(request_of(renderer_of("qwen3_off")), "m", 1)["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in chat_body(request_of(renderer_of("qwen3")), "m", 1)


def test_text_that_ends_a_turn_is_a_stop_string() -> None:
    request = request_of(renderer_of("chatml_as_text"), stop=("THE END",))
    assert completion_body(request, "m", 1)["stop"] == ["THE END", "<|im_end|>"]
    with_token = request_of(renderer_of("chatml"))
    assert "stop" not in completion_body(with_token, "m", 1)


def mislabelled(model: Path, folder: Path) -> None:
    """Fill a folder with a model whose tokenizer_config.json names the class that drops spaces."""
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((model / "tokenizer_config.json").read_text()) | {"tokenizer_class": "LlamaTokenizerFast"}
    (folder / "tokenizer_config.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["transformers", "vllm"])
async def test_an_engine_speaks_with_spaces_under_the_class_that_drops_them(
    kind: str, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "vllm":
        pytest.importorskip("vllm")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    mislabelled(small_model, tmp_path)
    cache = tmp_path / "cache"
    monkeypatch.setattr("harness.models.tokenizer.cache_dir", lambda: cache)
    engine = build(EngineConfig.model_validate({"kind": kind, "max_model_len": 512}), ModelConfig(path=str(tmp_path)))
    renderer = Renderer(load_tokenizer(tmp_path))
    messages = [Message("user", "Say how your day at work was.")]
    prompt = renderer.prompt(messages, renderer.render(messages).ids, max_new_tokens=24, max_model_len=512)
    await engine.start()
    try:
        answer = await engine.generate(Request(prompt, Sampling(temperature=0.0), 1, "s/1"))
    finally:
        await engine.close()
        shutil.rmtree(cache, ignore_errors=True)
    assert answer.text.count(" ") > 5
    assert renderer.tokenizer.decode(list(answer.token_ids), skip_special_tokens=True) == answer.text
