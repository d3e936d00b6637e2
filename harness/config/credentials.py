"""Keeps credentials out of configs, since files, terminals and reports show configs unchanged.

A secret value is given by name: `engine.api_key_env=NAME`, or `${oc.env:NAME}` in free settings.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harness.text.visible import one_line

_NAME = re.compile(
    r"(?:^|_)(?:api_?key|key|password|passwd|passphrase|pwd|credentials?|authorization|bearer|cookie|auth|pat|tokens?)$"
)
"""Last parts of keys of credentials, in lower case and with underscores."""
_OF_MODELS = re.compile(
    r"(?:^|_)(?:bos|eos|eot|pad|unk|sep|cls|mask|image|audio|video|special|stop|end|start|think|new|max|min|note|prompt"
    r"|decoder|completion|cached|summary)_tokens?$"
)
"""Keys with `token` that are not credentials."""
_TOKEN = re.compile(
    r"\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|nvapi-[\w-]{16,}|gsk_\w{16,}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)|-----BEGIN [A-Z ]*PRIVATE KEY|\bBearer\s+[\w.-]{8,}"
)
"""How the keys of well-known services begin."""
_IN_QUERIES = frozenset({"sig", "signature", "code", "sas", "token"})
REFERENCE = re.compile(r"\$\{oc\.env:([^{},]+)\}")
FREE = frozenset({"args", "options", "template_args", "extra_body"})
"""Groups of settings with keys of the user's choice, whose values go to an engine and are shown nowhere."""


def named_like_one(name: str) -> bool:
    """Whether a setting or a variable of this name holds a credential: `hf_token`, `X-Api-Key`, `OPENAI_API_KEY`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-.\s]", "_", name).lower()
    return "secret" in words or (bool(_NAME.search(words)) and not _OF_MODELS.search(words))


def mistakes(tree: Mapping[str, object]) -> dict[str, str]:
    """Why a value is refused, by dotted key. No message contains the value. For a server's address, see `address`."""
    return {
        ".".join(path): why
        for path, value in _leaves(tree)
        if (why := _mistake(path, value)) and not (path[-1] == "base_url" and why is _IN_ADDRESS)
    }


def addresses(tree: Mapping[str, object]) -> dict[str, str]:
    """The same for addresses with a password or a key only; for settings whose values came from the environment."""
    return {
        ".".join(path): _IN_ADDRESS
        for path, value in _leaves(tree)
        if path[-1] == "base_url" and _in_address(str(value))
    }


_IN_ADDRESS = (
    "the address contains a password or a key, which is never allowed in a config; put the key into an environment variable "
    "and give its name: engine.api_key_env=NAME"
)


def masked(override: str) -> str:
    """`KEY=VALUE` for a message, without a value that looks like a credential."""
    key, given, value = override.partition("=")
    if not given:
        return _TOKEN.sub("...", override)
    if named_like_one(key.rsplit(".", 1)[-1]) or _TOKEN.search(value) or _in_address(value):
        return f"{key}=..."
    return override


def without(tree: object, path: tuple[str, ...] = ("",)) -> Any:
    """A config with `...` for each credential, for showing a config that an older version recorded."""
    if isinstance(tree, Mapping):
        return {key: without(value, (*path, str(key))) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [without(value, path) for value in tree]
    return "..." if _mistake(path, tree) else tree


def of_override(override: str) -> str | None:
    """Why an override is refused, if it gives a credential; else None."""
    key, _, value = override.lstrip("+~").partition("=")
    why = _mistake(tuple(re.split(r"[.@/]", key)), value.strip("'\""))
    return why and f"command line: {one_line(key)}: {why}"


def _mistake(path: tuple[str, ...], value: object) -> str | None:
    name = path[-1]
    if not isinstance(value, str) or not value or value in ("null", "true", "false", "True", "False"):
        return None
    secret = [variable for variable in REFERENCE.findall(value) if named_like_one(variable)]
    if secret and not FREE & {*path[:-1]}:
        return (
            f"${{oc.env:{secret[0]}}} is a credential, and this setting is shown in files and on the terminal; "
            "expected it in engine.args only, or its name in engine.api_key_env"
        )
    literal = REFERENCE.sub("", value)
    if not literal.strip():
        return None
    if (_is_free(path) and named_like_one(name)) or _TOKEN.search(literal):
        return (
            "looks like a credential, which is never allowed in a config; put it into an environment variable and give "
            f"its name: {'engine.api_key_env=NAME' if 'base_url' in name else '${oc.env:NAME}'}"
        )
    if "://" in literal and _in_address(literal):
        return _IN_ADDRESS
    return None


def _is_free(path: tuple[str, ...]) -> bool:
    """Whether the key is of the user's choice; the harness's own keys hold no credentials."""
    return bool(FREE & {*path[:-1]}) or path[0] == "hydra"


def _in_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        query = parse_qsl(parts.query)
    except ValueError:
        return "@" in value
    return "://" in value and (
        "@" in parts.netloc or any(named_like_one(key) or key in _IN_QUERIES for key, _ in query)
    )


def _leaves(tree: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, (*path, str(key)))
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _leaves(value, path)
    else:
        yield path or ("",), tree
