"""The small files of a model's folder, checked before any library reads them.

Invariant: every file that transformers, tokenizers and vLLM open is a regular file of bounded size; a config is a JSON
object, and a template is text.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.models.chat_template import LONGEST_TEMPLATE
from harness.reading.files import read_text

MOST_CONFIG = 1 << 24
"""Bytes of a config; the largest in use, with their lists of added tokens, have a tenth of this."""
MOST_TOKENIZER = 1 << 27
"""Bytes of a tokenizer's file; the largest in use have a third of this."""
_OBJECTS = (
    *("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "chat_template.json", "processor_config.json", "preprocessor_config.json"),
)
_PARTS = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tekken.json")
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
_TEMPLATES = "*.jinja"


def check_files(folder: Path, key: str = "model.path") -> None:
    """Raise `ConfigError` with a line for each bad file of a local model; `key` is the setting that names the model."""
    lines = [line for name in _OBJECTS if (line := _object_mistake(folder / name)) is not None]
    lines += [line for name in _PARTS if (line := _part_mistake(folder / name)) is not None]
    lines += [line for path in sorted(folder.glob(_TEMPLATES)) if (line := _text_mistake(path)) is not None]
    if lines:
        raise ConfigError(*(f"{key}: {line}" for line in lines))


def model_file(path: str | Path, name: str, revision: str | None) -> Path | None:
    """A file of a model's folder or hub id; None if it has none, or if the hub can't be reached."""
    if Path(path).is_dir():
        file = Path(path) / name
        return file if file.is_file() else None
    from transformers.utils import cached_file

    try:
        found = cached_file(
            str(path),
            name,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            _raise_exceptions_for_gated_repo=False,
        )
    except (OSError, ValueError):
        return None  # loading the model reports the reason
    return None if found is None else Path(found)


def read_object(file: Path, key: str = "model.path") -> Mapping[str, Any]:
    """A JSON object of a model's folder. Raises `ConfigError` with one line that names the setting `key`."""
    try:
        found = json.loads(read_text(file, MOST_CONFIG))
    except OSError as error:
        raise ConfigError(f"{key}: {file} can't be read: {error.strerror or error}; expected a JSON object") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{key}: {file} can't be read: {error}; expected a JSON object") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{key}: {file}: found {type(found).__name__}, expected a JSON object")
    return found


def _object_mistake(file: Path) -> str | None:
    if not _is_there(file):
        return None
    try:
        found = read_object(file)
    except ConfigError as error:
        return str(error).removeprefix("model.path: ")
    if file.name in ("config.json", "generation_config.json"):
        for key in _IDS:
            if not _are_ids(found.get(key)):
                return f"{file}: {key}: expected a token's id or a list of them"
    return None


def _part_mistake(file: Path) -> str | None:
    if not _is_there(file):
        return None
    if not file.is_file():
        return f"{file}: is not a file; expected a part of a tokenizer"
    size = file.stat().st_size
    return f"{file}: has {size} bytes; expected at most {MOST_TOKENIZER}" if size > MOST_TOKENIZER else None


def _text_mistake(file: Path) -> str | None:
    try:
        read_text(file, 4 * LONGEST_TEMPLATE)
    except OSError as error:
        return f"{file}: {error.strerror or error}; expected a chat template"
    return None


def _is_there(file: Path) -> bool:
    """Whether a file exists, also as a broken link."""
    return file.exists() or file.is_symlink()


def _are_ids(value: object) -> bool:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return all(type(one) is int and -(2**31) <= one < 2**31 for one in values)
