"""A model's folder and a chat template with anything in them: a right answer or clear lines; no hang, no full memory."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.attacks import JSON, SPECIALS
from tests.fixtures.confined import Confined, confined

OBJECTS = ("config.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json")
KINDS = ("nothing", "no text", "null", "a list", "half", "nested without end", "a lone surrogate")


@pytest.fixture(scope="module")
def command() -> Iterator[Confined]:
    auto = "transformers.models.auto"
    with confined(
        "torch", f"{auto}.tokenization_auto", f"{auto}.configuration_auto", "harness.context.render.load"
    ) as server:
        yield server
        assert server.costs


@pytest.fixture
def model(small_model: Path, tmp_path: Path) -> Path:
    """A copy of the small model without its weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in small_model.iterdir():
        if file.suffix in (".json", ".jinja", ".txt"):
            shutil.copy(file, folder)
    return folder


def _play(command: Confined, model: Path, *words: str, codes: tuple[int, ...] = (0, 2)) -> str:
    """What a dry run with this model says; where it is refused no run folder is made."""
    folder = model.parent / "run"
    given = ("engine=dry", f"model.path={model}", f"run.dir={folder}", "max_exchanges=1", "personas=[two-cups]")
    done = command("run", *given, *words, codes=codes)
    if done.code == 2:
        assert not folder.exists(), f"refused, and left {sorted(folder.iterdir())}"
    return done.err


@pytest.mark.parametrize("file", [*OBJECTS, "tokenizer.json", "chat_template.jinja", "chat_template.json"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_a_model_with_any_bytes(command: Confined, model: Path, file: str, kind: str) -> None:
    (model / file).write_bytes(JSON[kind])
    said = _play(command, model)
    if file in OBJECTS and kind in ("no text", "a list", "half", "nested without end"):
        assert file in said


@pytest.mark.parametrize("file", [*OBJECTS, "tokenizer.json", "chat_template.jinja", "chat_template.json"])
@pytest.mark.parametrize("kind", SPECIALS)
def test_what_is_no_file_of_a_model_is_never_waited_for(command: Confined, model: Path, file: str, kind: str) -> None:
    (model / file).unlink(missing_ok=True)
    SPECIALS[kind](model / file)
    assert file in _play(command, model, codes=(2,))


def _with(model: Path, file: str, key: str, value: Any) -> None:
    path = model / file
    tree = json.loads(path.read_text()) if path.exists() else {}
    node = tree
    *parents, last = key.split(".")
    for parent in parents:
        node = node[parent]
    node[last] = value
    path.write_text(json.dumps(tree))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "key"),
    [
        *(("config.json", key) for key in ("max_position_embeddings", "rope_scaling", "eos_token_id", "model_type")),
        *(("config.json", key) for key in ("text_config", "architectures", "vocab_size", "rope_parameters")),
        *(("tokenizer_config.json", key) for key in ("tokenizer_class", "chat_template", "eos_token", "auto_map")),
        *(
            ("tokenizer_config.json", key)
            for key in ("added_tokens_decoder", "model_max_length", "extra_special_tokens")
        ),
        *(
            ("tokenizer.json", key)
            for key in ("model", "model.vocab", "added_tokens", "normalizer", "decoder", "version")
        ),
        *(("generation_config.json", key) for key in ("eos_token_id", "bos_token_id", "temperature")),
        ("special_tokens_map.json", "eos_token"),
    ],
)
def test_a_file_of_a_model_with_any_value_at_a_key(command: Confined, model: Path, file: str, key: str) -> None:
    values: tuple[Any, ...] = (
        None,
        "x",
        "\x1b]0;owned\x07\u202e",
        "\ud800",
        2**63,
        -1,
        1e308,
        float("inf"),
        [[], {}],
        {"x": {"y": 1}},
        True,
    )
    for number, value in enumerate(values):
        if number % 4 == len(key) % 4:
            kept = (model / file).read_bytes() if (model / file).exists() else None
            _with(model, file, key, value)
            _play(command, model)
            shutil.rmtree(model.parent / "run", ignore_errors=True)
            (model / file).unlink() if kept is None else (model / file).write_bytes(kept)


WRONG = {
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a product": "{{ 'x' * 10**9 }}",
    "a macro that calls itself": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "parentheses without end": "{{" + "(" * 5000,
    "three megabytes": "x" * 3_000_000,
    "a division by zero": "{{ 1 / 0 }}",
    "another file": "{% include '/etc/passwd' %}",
    "half a surrogate pair": "{{ '\\ud800' }}{% for m in messages %}{{ m.content }}{% endfor %}",
    "the way out of the sandbox": "{{ ''.__class__.__mro__ }}",
    "an unknown filter": "{{ 1|nope }}",
    "a bad format": "{{ '%d'|format('x') }}",
    "nothing": "",
    "no UTF-8": "\udcff\udcfe",
    "what it is not given": "{{ nope.nope }}",
    "control characters": "\x1b]0;owned\x07{{ raise_exception('\x1b[2J') }}",
    "many control tokens": "".join(f"<|x{number}|>" for number in range(15_000))
    + "{% for m in messages %}{{ m.content }}{% endfor %}",
}


@pytest.mark.parametrize(
    ("name", "where"),
    [
        *((name, "model.chat_template") for name in WRONG),
        *((name, "chat_template.jinja") for name in list(WRONG)[5::2]),
        *((name, "tokenizer_config.json") for name in list(WRONG)[6::2]),
    ],
)
def test_a_chat_template_that_does_anything(command: Confined, model: Path, name: str, where: str) -> None:
    content = WRONG[name].encode("utf-8", "surrogateescape")
    given: tuple[str, ...] = ()
    (model / "chat_template.jinja").unlink(missing_ok=True)
    if where == "tokenizer_config.json":
        _with(model, where, "chat_template", content.decode("utf-8", "replace"))
    elif where == "chat_template.jinja":
        (model / where).write_bytes(content)
    else:
        file = model.parent / "own.jinja"
        file.write_bytes(content)
        given = (f"model.chat_template={file}",)
    said = _play(command, model, *given, codes=(0, 2) if name == "many control tokens" else (2,))
    assert "template" in said or "control token" in said


@pytest.mark.parametrize("kind", SPECIALS)
def test_a_chat_template_of_the_users_that_is_no_file(command: Confined, model: Path, kind: str) -> None:
    SPECIALS[kind](file := model.parent / "own.jinja")
    assert "model.chat_template" in _play(command, model, f"model.chat_template={file}", codes=(2,))
