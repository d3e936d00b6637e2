"""The longest sequence of a model, from its config.json.

The rules are those of vLLM (`_get_and_verify_max_len`), since they decide what vLLM serves: the smallest length in the
config, times the factor of its rotary embeddings unless the length already includes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from harness.config.schema import ModelConfig
from harness.errors import ConfigError, first_line
from harness.models.files import model_file, read_object

_KEYS = (
    *(
        "max_position_embeddings",
        "n_positions",
        "max_seq_len",
        "seq_length",
        "model_max_length",
        "max_target_positions",
    ),
    *("max_sequence_length", "max_seq_length", "seq_len"),
)
_OVERRULES = "model_max_length"
"""Takes precedence: Command R's `max_position_embeddings` is smaller than its real maximum."""
_CONTAINED = frozenset({"su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling"})
"""Kinds of rotary scaling whose factor the length already includes."""
_TEXT = ("text_config", "llm_config", "language_config")
"""Keys under which multimodal models keep the config of their text model."""
_LAYERS = ("full_attention", "sliding_attention", "chunked_attention", "linear_attention")


_FILE = "config.json"
_NO_LENGTH = 10**12
"""Larger numbers are placeholders, not lengths."""
_PLACEHOLDER = 10**9
"""Tokenizers without a limit of their own give 10**30."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths in tokens."""

    longest: int
    """The longest window that may be requested."""
    usual: int
    """The default window; smaller than `longest` if a longer window degrades short texts (LongRoPE)."""


def limits(model: ModelConfig) -> Limits | None:
    """The limits from the config of a local folder or a hub id; None if it names no length. Raises `ConfigError`."""
    folder = Path(model.path)
    if folder.is_dir() and not (folder / _FILE).is_file():
        return _of_tokenizer(folder)
    config = _read(model)
    found = derive(config)
    if found is None and "model_type" in config and Path(model.path).is_dir():
        found = derive(_with_defaults(model, config))
    return found


def vocabulary(path: str, revision: str | None) -> int | None:
    """The vocabulary size of a local folder or a hub id; None if its config does not give it."""
    file = model_file(path, _FILE, revision)
    if file is None:
        return None
    config = read_object(file)
    size = _text_config(config).get("vocab_size", config.get("vocab_size"))
    return int(size) if _is_number(size) else None


def derive(config: Mapping[str, Any]) -> Limits | None:
    """The limits from a model's config (as in config.json); None if it names no length."""
    text = _text_config(config)
    lengths = [int(text[key]) for key in _KEYS if _is_number(text.get(key))]
    if not lengths:
        return None
    length = int(text[_OVERRULES]) if _is_number(text.get(_OVERRULES)) else min(lengths)
    kinds = set()
    factor = 1.0
    for rope in _ropes(text):
        kind = str(rope.get("rope_type") or rope.get("type") or "default")
        kinds.add(kind)
        if kind not in _CONTAINED and _is_number(rope.get("factor")):
            factor = float(rope["factor"])
    if "gemma3" not in str(text.get("model_type", "")):  # its length includes the factor
        length = int(length * factor)
    original = text.get("original_max_position_embeddings")
    usual = int(original) if kinds & {"longrope", "su"} and _is_number(original) else length
    return Limits(length, usual)


def _ropes(text: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The settings of rotary embeddings: one for all layers, or one per kind of layer."""
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    if not isinstance(rope, Mapping):
        return
    if rope and all(key in _LAYERS for key in rope):
        yield from (value for value in rope.values() if isinstance(value, Mapping))
    else:
        yield rope


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    thinker = config.get("thinker_config")
    outer = thinker if isinstance(thinker, Mapping) else config
    inner = next((outer[key] for key in _TEXT if isinstance(outer.get(key), Mapping)), None)
    if inner is None:
        return outer
    # In some models only the outer config gives the length.
    return inner if any(_is_number(inner.get(key)) for key in _KEYS) else {**outer, **inner}


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _NO_LENGTH


def _read(model: ModelConfig) -> Mapping[str, Any]:
    folder = Path(model.path)
    if not folder.is_dir():
        return _from_hub(model)
    return read_object(folder / _FILE)


def _of_tokenizer(folder: Path) -> Limits | None:
    """The limits from a folder with tokenizer files only: the tokenizer's own limit, unless it is a placeholder."""
    file = folder / "tokenizer_config.json"
    length = read_object(file).get("model_max_length") if file.is_file() else None
    return Limits(int(length), int(length)) if _is_number(length) and length < _PLACEHOLDER else None


def _from_hub(model: ModelConfig) -> Mapping[str, Any]:
    from transformers import AutoConfig

    try:
        found = AutoConfig.from_pretrained(
            model.path, revision=model.revision, trust_remote_code=model.trust_remote_code
        )
    except Exception as error:  # a config may contain anything, and its class raise anything
        reason = first_line(error)
        raise ConfigError(
            f"model.path: found {model.path}, expected a model folder or a hub id that can be reached ({reason})"
        ) from error
    read: Mapping[str, Any] = found.to_dict()
    return read


def _with_defaults(model: ModelConfig, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config with the defaults of its model type; unchanged if transformers does not know the type."""
    from transformers import AutoConfig

    try:
        read: Mapping[str, Any] = AutoConfig.from_pretrained(
            model.path, trust_remote_code=model.trust_remote_code
        ).to_dict()
    except Exception:  # a config may contain anything, and its class raise anything; our rules then use it as it is
        return config
    return read
