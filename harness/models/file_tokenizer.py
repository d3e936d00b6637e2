"""A tokenizer read directly from its files, without `import transformers`, which takes nearly a second.

It is for the generic class, which tokenizer.json describes completely, and only if no other file changes ids or text.
`load` returns None for all others, and the caller then loads the class of transformers.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.chat_template import render_chat
from harness.reading.files import read_text

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Named special tokens, which templates can use."""
_KNOWN = {
    *NAMED,
    *(
        "backend",
        "tokenizer_class",
        "model_max_length",
        "is_local",
        "local_files_only",
        "chat_template",
        "added_tokens_decoder",
    ),
    *(
        "clean_up_tokenization_spaces",
        "model_input_names",
        "padding_side",
        "truncation_side",
        "processor_class",
        "legacy",
    ),
    *("add_bos_token", "add_eos_token", "add_prefix_space", "errors", "fix_mistral_regex", "name_or_path"),
}
"""Keys of tokenizer_config.json that change neither ids nor text, or that this module handles."""
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


class FileTokenizer:
    """The part of a transformers tokenizer that the harness uses; gives the same ids and the same rendered templates."""

    def __init__(self, backend: "Tokenizer", named: Mapping[str, str], template: str | None, path: str) -> None:
        self.backend_tokenizer = backend
        self.added_tokens_decoder: dict[int, AddedToken] = dict(sorted(backend.get_added_tokens_decoder().items()))
        self.special_tokens_map = dict(named)
        self.chat_template = template
        self.name_or_path = path

    def __call__(self, text: str | Sequence[str], *, add_special_tokens: bool = False) -> dict[str, Any]:
        if isinstance(text, str):
            return {"input_ids": self.backend_tokenizer.encode(text, add_special_tokens=add_special_tokens).ids}
        found = self.backend_tokenizer.encode_batch(list(text), add_special_tokens=add_special_tokens)
        return {"input_ids": [one.ids for one in found]}

    def decode(
        self, ids: Sequence[int], skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool = False
    ) -> str:
        return str(self.backend_tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))

    def get_vocab(self) -> dict[str, int]:
        return dict(self.backend_tokenizer.get_vocab(with_added_tokens=True))

    def convert_tokens_to_ids(self, token: str) -> int | None:
        found: int | None = self.backend_tokenizer.token_to_id(token)
        return self.unk_token_id if found is None else found

    @property
    def eos_token_id(self) -> int | None:
        return self._id("eos_token")

    @property
    def unk_token_id(self) -> int | None:
        return self._id("unk_token")

    def _id(self, name: str) -> int | None:
        token = self.special_tokens_map.get(name)
        return None if token is None else self.backend_tokenizer.token_to_id(token)

    def get_chat_template(self, own: str | None = None) -> str:
        """`own`, or the tokenizer's template. Raises `ValueError` if there is neither."""
        if own is None and self.chat_template is None:
            raise ValueError("no chat template")
        return own if own is not None else str(self.chat_template)

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        chat_template: str,
        add_generation_prompt: bool,
        tokenize: bool = False,
        **args: Any,
    ) -> str:
        """The text of a conversation. Raises what the template raises."""
        return render_chat(chat_template, self.special_tokens_map, messages, ask=add_generation_prompt, args=args)


def load(folder: Path, backend: "Tokenizer") -> FileTokenizer | None:
    """The tokenizer of a folder whose tokenizer.json is `backend`; None if other files of the folder matter."""
    config = _object(folder / "tokenizer_config.json")
    if config is None or not config.keys() <= _KNOWN or config.get("clean_up_tokenization_spaces"):
        return None
    if (folder / "special_tokens_map.json").exists() or (folder / "added_tokens.json").exists():
        return None
    backend.no_truncation()
    backend.no_padding()
    named = {name: _content(config[name]) for name in NAMED if config.get(name) is not None}
    added = backend.get_added_tokens_decoder()
    if {text for text in named.values() if text is not None} - {token.content for token in added.values()}:
        return None  # transformers would add it
    if None in named.values() or not _same_added(config.get("added_tokens_decoder") or {}, added):
        return None
    if not all(token.special for token in added.values() if token.content in named.values()):
        return None  # transformers would make it special
    template = _template(folder, config)
    texts = {name: text for name, text in named.items() if text is not None}
    return None if template is Ellipsis else FileTokenizer(backend, texts, template, str(folder))


def _object(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read_text(file))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _content(token: object) -> str | None:
    if isinstance(token, Mapping):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _same_added(written: object, added: Mapping[int, "AddedToken"]) -> bool:
    """Whether tokenizer_config.json and tokenizer.json have the same added tokens."""
    if not isinstance(written, Mapping):
        return False
    for key, token in written.items():
        there = added.get(int(key)) if str(key).isdigit() else None
        if there is None or not isinstance(token, Mapping) or token.get("content") != there.content:
            return False
        if any(flag in token and token[flag] != getattr(there, flag) for flag in _FLAGS):
            return False
    return True


def _template(folder: Path, config: Mapping[str, Any]) -> Any:
    """The chat template, None if there is none, or an ellipsis if there are several."""
    if (folder / "additional_chat_templates").exists():
        return ...
    file = folder / "chat_template.jinja"
    if file.is_file():
        return read_text(file)
    found = config.get("chat_template")
    return found if found is None or isinstance(found, str) else ...
