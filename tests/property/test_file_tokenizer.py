"""A tokenizer straight from its files is that of transformers: the same ids, texts and prompts of every template we know."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.models import file_tokenizer
from harness.models.file_tokenizer import FileTokenizer
from harness.models.tokenizer import SAMPLES, light_tokenizer, load_tokenizer
from tests.fixtures.templates import HERE, byte_tokenizer_of_transformers, template

TEMPLATES = sorted(file.stem for file in HERE.glob("*.jinja"))
TALK = [
    {"role": "system", "content": "You listen."},
    {"role": "user", "content": "Hi, <b>it's</b> late."},
    {"role": "assistant", "content": " You're up. "},
    {"role": "user", "content": "Yes\n"},
]


def folder(place: Path, text: str, **config: Any) -> Path:
    byte_tokenizer_of_transformers(text, special=("<|im_start|>", "<|im_end|>")).save_pretrained(place)
    file = place / "tokenizer_config.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "tokenizer_class": "PreTrainedTokenizerFast", **config})
    )
    return place


def rendered(tokenizer: Any, text: str, messages: list[dict[str, str]]) -> str:
    """What a template makes of a conversation, or what it says against it."""
    try:
        return str(
            tokenizer.apply_chat_template(messages, chat_template=text, add_generation_prompt=True, tokenize=False)
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[FileTokenizer, Any]:
    place = folder(tmp_path_factory.mktemp("model"), template("chatml"), extra_special_tokens=None)
    config = json.loads((place / "tokenizer_config.json").read_text())
    del config["extra_special_tokens"]
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    ours = light_tokenizer(place)
    assert isinstance(ours, FileTokenizer)
    return ours, load_tokenizer(place)


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_render_alike(name: str, both: tuple[FileTokenizer, Any]) -> None:
    ours, theirs = both
    for messages in (TALK, TALK[1:], TALK[1:2]):
        assert rendered(ours, template(name), messages) == rendered(theirs, template(name), messages)


@pytest.mark.parametrize("text", [
    "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ m.content | tojson }}{% endfor %}",
    "{{ bos_token }}{{ eos_token }}{{ unk_token }}{{ messages | length }}",
    "{{ raise_exception('no system role') }}",
    "{{ ''.__class__.__mro__ }}",
])  # fmt: skip
def test_what_templates_may_use_is_the_same(text: str, both: tuple[FileTokenizer, Any]) -> None:
    ours, theirs = both
    assert rendered(ours, text, TALK) == rendered(theirs, text, TALK)


def test_ids_texts_and_tokens_are_the_same(both: tuple[FileTokenizer, Any]) -> None:
    ours, theirs = both
    for text in (*SAMPLES, "<|im_start|>user\nHi<|im_end|>", ""):
        ids = ours(text)["input_ids"]
        assert ids == list(theirs(text, add_special_tokens=False)["input_ids"])
        for skip in (True, False):
            assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(
                ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False
            )
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.eos_token_id == theirs.eos_token_id
    assert {i: str(token) for i, token in ours.added_tokens_decoder.items()} == {
        i: str(token) for i, token in theirs.added_tokens_decoder.items()
    }
    assert ours.convert_tokens_to_ids("<|im_end|>") == theirs.convert_tokens_to_ids("<|im_end|>")


@pytest.mark.parametrize("config", [
    {"clean_up_tokenization_spaces": True},
    {"tokenizer_class": "LlamaTokenizerFast"},
    {"auto_map": {"AutoTokenizer": ["x.Y", None]}},
    {"eos_token": "<|never seen|>"},
    {"added_tokens_decoder": {"256": {"content": "<|im_start|>", "lstrip": True}}},
    {"some_new_setting": 1},
    {"chat_template": [{"name": "default", "template": "x"}]},
])  # fmt: skip
def test_where_another_file_has_a_say_transformers_loads_it(config: dict[str, Any], tmp_path: Path) -> None:
    place = folder(tmp_path, "{{ messages }}", **config)
    if "chat_template" in config:
        (place / "chat_template.jinja").unlink()
    from tokenizers import Tokenizer

    read = json.loads((place / "tokenizer_config.json").read_text())
    generic = read["tokenizer_class"] == "PreTrainedTokenizerFast" and "auto_map" not in read
    assert not generic or file_tokenizer.load(place, Tokenizer.from_file(str(place / "tokenizer.json"))) is None
