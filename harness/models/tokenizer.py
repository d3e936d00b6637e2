"""Loads a model's own tokenizer: the same one for counting and for the engines.

Invariant: if a model has a tokenizer.json, that file decides. If the class that the model names gives other ids or other
text, it is not used: transformers 5 rebuilds some tokenizers from their class, and a byte-level file under
`LlamaTokenizerFast` then loses every space.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, HarnessError, first_line
from harness.models import file_tokenizer
from harness.models.file_tokenizer import FileTokenizer
from harness.models.files import check_files, model_file, read_object
from harness.paths import cache_dir

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

_GENERIC = {"PreTrainedTokenizerFast", "TokenizersBackend"}
"""Classes that tokenizer.json describes completely."""
_FILE = "tokenizer.json"
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")
SENTENCE = "you are a therapist and it is late so we talk about what helps"
"""Words that every tokenizer must decode to themselves; only spaces may differ."""
SAMPLES = (
    SENTENCE,
    'You are a therapist — it\'s 9:30, and she said: "slowly", twice.',
    "  two  blanks\n\nand lines\t1234567890",
    "naïve café, שלום, 日本語, 🙂",
)
"""Texts for comparing two tokenizers."""


def load_tokenizer(
    path: str | Path, *, revision: str | None = None, trust_remote_code: bool = False
) -> "PreTrainedTokenizerBase":
    """The tokenizer of a local folder (tokenizer files suffice) or a hub id.

    Raises `ConfigError` with one line if there is none, if the installed libraries can't read it, or if it loses text.

    A folder that names a generic class is loaded with that class directly. AutoTokenizer would choose the same, but imports
    torch first, which takes two seconds in every command that only counts tokens.
    """
    check_files(Path(path))
    config = _read_config(Path(path))
    file = model_file(path, _FILE, revision)
    try:
        reference = None if file is None else _reference(path, file)
        if reference is not None and _is_generic(config):
            found = _generic(path, revision)
        else:
            found = named_class(path, revision=revision, trust_remote_code=trust_remote_code)
    except HarnessError:
        raise
    except Exception as error:  # tokenizers raises bare Exceptions, and a tokenizer's own code may raise anything
        raise _unloadable(path, error) from error
    if reference is not None and not _same(found, reference):
        found = _by_file(path, revision, found, reference)
    check_keeps_text(found, str(path))
    if found.chat_template is None:
        found.chat_template = _processor_template(Path(path))
    return found


def light_tokenizer(
    path: str | Path, *, revision: str | None = None, trust_remote_code: bool = False
) -> "PreTrainedTokenizerBase | FileTokenizer":
    """As `load_tokenizer`, for prompts and counts; avoids `import transformers` if the result is the same."""
    folder = Path(path)
    check_files(folder)
    if (folder / _FILE).is_file() and _is_generic(_read_config(folder)):
        found = file_tokenizer.load(folder, _reference(path, folder / _FILE))
        if found is not None:
            check_keeps_text(found, str(path))
            return found
    return load_tokenizer(path, revision=revision, trust_remote_code=trust_remote_code)


def _is_generic(config: Mapping[str, Any]) -> bool:
    return config.get("tokenizer_class") in _GENERIC and "auto_map" not in config


def named_class(
    path: str | Path, *, revision: str | None = None, trust_remote_code: bool = False
) -> "PreTrainedTokenizerBase":
    """The tokenizer as transformers (and vLLM) loads it, by the class that it names. Raises what transformers raises."""
    from transformers import AutoTokenizer

    # With a tekken.json in the folder, transformers would use mistral-common, which has no Jinja template.
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        str(path), revision=revision, trust_remote_code=trust_remote_code, mistral_format=False
    )
    return found


def folder_for_engine(path: str, *, revision: str | None = None, trust_remote_code: bool = False) -> str | None:
    """A folder with the tokenizer of `load_tokenizer`, for an engine that would load another one from `path`.

    None if the engine gets the same tokenizer anyway. Raises `ConfigError`.
    """
    ours = load_tokenizer(path, revision=revision, trust_remote_code=trust_remote_code)
    try:
        theirs = named_class(path, revision=revision, trust_remote_code=trust_remote_code)
    except Exception as error:
        raise _unloadable(path, error) from error
    backend = getattr(ours, "backend_tokenizer", None)
    if backend is None or _same(theirs, backend):
        return None
    home = cache_dir() / "tokenizers"
    home.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
    try:
        ours.save_pretrained(made)
        place = home / _digest(made)
        try:
            made.rename(place)
        except OSError:
            if not place.is_dir():  # made before, or meanwhile by another process: the name is a hash of the content
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return str(place)


def check_keeps_text(tokenizer: Any, name: str) -> None:
    """Raise `ConfigError` if the ids of plain words do not decode to these words."""
    ids = tokenizer(SENTENCE, add_special_tokens=False)["input_ids"]
    back = str(tokenizer.decode(list(ids)))
    if back.lower().split() != SENTENCE.split():
        kind = type(tokenizer).__name__
        raise ConfigError(
            f"model.path: the tokenizer of {name} ({kind}) loses text: it makes {back!r} of {SENTENCE!r}; "
            'name its true class in tokenizer_config.json, as "tokenizer_class": "PreTrainedTokenizerFast" with a tokenizer.json'
        )


def _read_config(folder: Path) -> Mapping[str, Any]:
    file = folder / "tokenizer_config.json"
    if not file.is_file():
        return {}
    return read_object(file)


def _reference(path: str | Path, file: Path) -> "Tokenizer":
    from tokenizers import Tokenizer, __version__

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exceptions
        reason = first_line(error)
        raise ConfigError(
            f"model.path: {file.name} of {path} can't be read by tokenizers {__version__} ({reason}); if the file is complete, "
            "a newer version wrote it: pip install -U tokenizers transformers"
        ) from error


def _generic(path: str | Path, revision: str | None, **tokens: str) -> "PreTrainedTokenizerBase":
    from transformers import PreTrainedTokenizerFast

    found: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(str(path), revision=revision, **tokens)
    return found


def _by_file(
    path: str | Path, revision: str | None, named: "PreTrainedTokenizerBase", reference: "Tokenizer"
) -> "PreTrainedTokenizerBase":
    """The generic class with tokenizer.json, and with the special tokens that the named class defines itself."""
    known = {name: getattr(named, name, None) for name in _SPECIAL}
    config = _read_config(Path(path))
    tokens = {
        name: str(token)
        for name, token in known.items()
        if token is not None and config.get(name) is None and reference.token_to_id(str(token)) is not None
    }
    try:
        found = _generic(path, revision, **tokens)
    except Exception as error:
        raise _unloadable(path, error) from error
    if not _same(found, reference):
        raise ConfigError(
            f"model.path: the tokenizer of {path} differs from its {_FILE}: {type(named).__name__}, the class that it names, and "
            "PreTrainedTokenizerFast give other ids; fix tokenizer_config.json, or use another copy of the model"
        )
    return found


def _same(tokenizer: Any, reference: "Tokenizer") -> bool:
    """Whether a transformers tokenizer gives the same ids and text as tokenizer.json."""
    for text in SAMPLES:
        try:
            ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        except Exception:  # a class that does not belong to the file may not work at all
            return False
        if ids != reference.encode(text, add_special_tokens=False).ids:
            return False
        back = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if str(back).split() != reference.decode(ids).split():
            return False
    return True


def _processor_template(folder: Path) -> str | None:
    """The chat template in chat_template.json, where models with a processor keep it; None if there is none."""
    file = folder / "chat_template.json"
    try:
        found = read_object(file).get("chat_template") if file.is_file() else None
    except ConfigError:
        return None
    return found if isinstance(found, str) else None


def _digest(folder: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:24]


def _unloadable(path: str | Path, error: Exception) -> ConfigError:
    reason = first_line(error)
    return ConfigError(f"model.path: no tokenizer can be loaded from {path}: {reason}")
