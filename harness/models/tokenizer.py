"""Loads a model's own tokenizer, the same one for counting as the engines use for generating."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_GENERIC = {"PreTrainedTokenizerFast", "TokenizersBackend"}
"""Classes that are wholly described by tokenizer.json."""


def load_tokenizer(
    path: str | Path, *, revision: str | None = None, trust_remote_code: bool = False
) -> "PreTrainedTokenizerBase":
    """The tokenizer of a local folder (tokenizer files suffice) or a hub id. Raises `ConfigError`.

    A folder that names a generic class is loaded with just that class: transformers' AutoTokenizer would choose the
    same, but imports torch first, which takes two seconds of every command that only counts.
    """
    try:
        if _is_generic(Path(path)):
            from transformers import PreTrainedTokenizerFast

            generic: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(str(path))
            return generic
        from transformers import AutoTokenizer

        # Where a folder holds a tekken.json, transformers would use mistral-common, which has no Jinja template.
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(path), revision=revision, trust_remote_code=trust_remote_code, mistral_format=False
        )
    except (OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).strip().splitlines()), repr(error))
        raise ConfigError(f"model.path: no tokenizer can be loaded from {path}: {reason}") from error
    return found


def _is_generic(folder: Path) -> bool:
    if not (folder / "tokenizer.json").is_file() or not (folder / "tokenizer_config.json").is_file():
        return False
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    return config.get("tokenizer_class") in _GENERIC and "auto_map" not in config
