"""The tokenizer that is counted with is tokenizer.json, whatever class is named beside it; what can't be read or loses text
is refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from harness.context.render.renderer import Renderer
from harness.errors import ConfigError
from harness.models.tokenizer import SAMPLES, SENTENCE, folder_for_engine, load_tokenizer, named_class
from tests.fixtures.templates import byte_tokenizer_of_transformers, template
from tests.fixtures.tokenizers import byte_level, sentence_piece

CLASSES = (
    *("PreTrainedTokenizerFast", "TokenizersBackend", "LlamaTokenizerFast", "LlamaTokenizer", "GPT2TokenizerFast"),
    *("Qwen2Tokenizer", "GemmaTokenizerFast", "CohereTokenizerFast", "CodeLlamaTokenizerFast", "GPTNeoXTokenizerFast"),
    "",
)
SPOKEN = "You are a therapist — it's 9:30.  Two  blanks, and\n\nlines."


def folder_of(tokenizer: Any, place: Path, **config: Any) -> Path:
    """A folder as a model has it, with other settings in tokenizer_config.json."""
    place.mkdir(exist_ok=True)
    tokenizer.chat_template = template("chatml")
    tokenizer.save_pretrained(place)
    file = place / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return place


@pytest.mark.parametrize("kind", [byte_level, sentence_piece])
@pytest.mark.parametrize("named", CLASSES)
def test_ids_and_text_are_those_of_the_file_under_every_class(kind: Any, named: str, tmp_path: Path) -> None:
    """As in R1 distillations, whose byte-level file stands beside `LlamaTokenizerFast`: transformers 5 drops its spaces."""
    folder = folder_of(kind(), tmp_path, tokenizer_class=named)
    if not named:
        config = json.loads((folder / "tokenizer_config.json").read_text())
        del config["tokenizer_class"]
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = load_tokenizer(folder)
    for text in (*SAMPLES, SPOKEN):
        ids = list(found(text, add_special_tokens=False)["input_ids"])
        assert ids == file.encode(text, add_special_tokens=False).ids
        assert found.decode(ids, skip_special_tokens=True).split() == file.decode(ids).split()
    assert found.eos_token == "<end>"


def test_the_class_that_drops_spaces_is_not_what_an_engine_gets_either(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = folder_of(byte_level(), tmp_path / "model", tokenizer_class="LlamaTokenizerFast")
    theirs = named_class(folder)
    assert " " not in theirs.decode(theirs(SENTENCE, add_special_tokens=False)["input_ids"]), "transformers mended it"
    other = folder_for_engine(str(folder))
    assert other is not None
    engine = named_class(other)
    assert engine.decode(engine(SENTENCE, add_special_tokens=False)["input_ids"]) == SENTENCE
    assert engine.chat_template == template("chatml")
    assert folder_for_engine(str(folder)) == other
    same = folder_of(byte_level(), tmp_path / "same", tokenizer_class="PreTrainedTokenizerFast")
    assert folder_for_engine(str(same)) is None


def test_engines_that_start_at_once_make_one_tokenizer_for_all(tmp_path: Path, monkeypatch: Any) -> None:
    """As the replicas of a run do. Whoever comes second takes what is there, and leaves nothing behind."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = folder_of(byte_level(), tmp_path / "model", tokenizer_class="LlamaTokenizerFast")
    rename = Path.rename

    def second(made: Path, place: Path) -> Path:
        shutil.copytree(made, place)
        return rename(made, place)

    monkeypatch.setattr(Path, "rename", second)
    made = folder_for_engine(str(folder))
    assert made is not None
    assert [str(path) for path in (tmp_path / "cache" / "tokenizers").iterdir()] == [made]


def test_a_prompt_read_back_from_its_ids_is_the_prompt(tmp_path: Path) -> None:
    folder = folder_of(
        byte_tokenizer_of_transformers(template("chatml"), ("<|im_start|>", "<|im_end|>")),
        tmp_path,
        tokenizer_class="LlamaTokenizerFast",
    )
    renderer = Renderer.load(folder)
    messages = [renderer.message("user", SPOKEN, None)]
    ids = renderer.render(messages).ids
    assert renderer.tokenizer.decode(list(ids), skip_special_tokens=False) == renderer.template.render(messages)


def test_a_tokenizer_that_loses_text_is_refused_by_the_renderer() -> None:
    from tokenizers import decoders

    tokenizer = byte_tokenizer_of_transformers(template("chatml"), ("<|im_start|>", "<|im_end|>"))
    tokenizer.backend_tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace(" ", "")])
    with pytest.raises(ConfigError, match="loses text: it makes 'youareatherapist"):
        Renderer(tokenizer, name="a model")


def newer(folder: Path) -> None:
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["type"] = "SuperBPE"
    content["pre_tokenizer"] = {"type": "Quantum", "spin": 0.5}
    file.write_text(json.dumps(content))


def written(name: str, text: str) -> Any:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (newer, "pip install -U tokenizers transformers"),
        (written("tokenizer.json", '{"version": "1.0"'), "can't be read by tokenizers"),
        (written("tokenizer.json", "[]"), "can't be read by tokenizers"),
        (written("tokenizer.json", ""), "can't be read by tokenizers"),
        (written("tokenizer_config.json", "{"), "expected a JSON object"),
        (written("tokenizer_config.json", "[1]"), "found list, expected a JSON object"),
        (
            written("tokenizer_config.json", '{"tokenizer_class": "NoSuchTokenizer", "auto_map": 3}'),
            "no tokenizer can be",
        ),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "no tokenizer can be loaded"),
    ],
)
def test_what_can_not_be_read_is_refused_in_one_line(damage: Any, says: str, tmp_path: Path) -> None:
    folder = folder_of(byte_level(), tmp_path)
    damage(folder)
    with pytest.raises(ConfigError) as refused:
        load_tokenizer(folder)
    assert says in str(refused.value)
    assert str(refused.value).startswith("model.path: ")
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_template_that_lies_with_the_processor_is_found(tmp_path: Path) -> None:
    folder = folder_of(byte_level(), tmp_path)
    for file in folder.glob("*.jinja"):
        file.unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template("smolvlm")}))
    assert load_tokenizer(folder).chat_template == template("smolvlm")
