"""Values from the environment: a config keeps the references, and only the process that needs them has the values.

Invariant: a dump of a `RunConfig`, and so every file, has the reference `${oc.env:NAME}` instead of its text. Numbers and
choices are recorded by value, since runs that differ in them are different runs.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from harness.config.credentials import REFERENCE
from harness.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

Keys = tuple[str | int, ...]
_CHOICES = frozenset({"kind", "policy"})
"""Keys of text with a closed set of values."""
_MARK = re.compile("\ue000([^\ue001]*)\ue001")
"""Replaces a reference while OmegaConf resolves a config, since it would resolve `${` itself."""


def container(config: "DictConfig") -> dict[str, Any]:
    """A composed config as plain data, resolved except for references to the environment.

    Raises `OmegaConfBaseException` if something can't be resolved.
    """
    from omegaconf import OmegaConf

    with _names_kept():
        tree = OmegaConf.to_container(config, resolve=True)
    assert isinstance(tree, dict)
    return {str(key): _written(value) for key, value in tree.items()}


@contextmanager
def _names_kept() -> Iterator[None]:
    from omegaconf import OmegaConf
    from omegaconf.resolvers import oc

    unset = object()

    def env(name: str, default: Any = unset) -> object:
        if name in os.environ:
            return f"\ue000{name}\ue001"
        return oc.env(name) if default is unset else oc.env(name, default)

    def decode(text: str | None, _parent_: Any, _node_: Any) -> object:
        if not isinstance(text, str) or not _MARK.search(text):
            return oc.decode(text, _parent_, _node_)
        value = oc.decode(_MARK.sub(lambda found: os.environ[found[1]], text), _parent_, _node_)
        return value if isinstance(value, int | float | None) else text

    OmegaConf.register_new_resolver("oc.env", env, replace=True)
    OmegaConf.register_new_resolver("oc.decode", decode, replace=True)
    try:
        yield
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
        OmegaConf.register_new_resolver("oc.decode", oc.decode, replace=True)


def _written(value: Any) -> Any:
    if isinstance(value, str):
        return _MARK.sub(r"${oc.env:\1}", value)
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list) else value


def filled(tree: Any, keys: Keys = ()) -> tuple[Any, dict[Keys, str]]:
    """`tree` with the values of its references, and the references by key.

    Raises `ConfigError` for a variable that isn't set.
    """
    found: dict[Keys, str] = {}
    if isinstance(tree, str) and REFERENCE.search(tree):
        return REFERENCE.sub(lambda reference: _value(reference[1], keys), tree), {keys: tree}
    if isinstance(tree, Mapping):
        items = {key: filled(value, (*keys, key)) for key, value in tree.items()}
        for _, more in items.values():
            found |= more
        return {key: value for key, (value, _) in items.items()}, found
    if isinstance(tree, list | tuple):
        parts = [filled(value, (*keys, place)) for place, value in enumerate(tree)]
        for _, more in parts:
            found |= more
        return [value for value, _ in parts], found
    return tree, found


def _value(name: str, keys: Keys) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"{'.'.join(map(str, keys))}: the environment variable {name} is not set; expected a value")
    return value


def texts(model: BaseModel, references: Mapping[Keys, str]) -> dict[Keys, str]:
    """The references in settings with free text."""
    return {keys: reference for keys, reference in references.items() if _holds_text(model, keys)}


def _holds_text(model: BaseModel, keys: Keys) -> bool:
    node: object = model
    for key in keys:
        if not isinstance(node, BaseModel):
            return True
        field = type(node).model_fields.get(str(key))
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        if key not in _CHOICES and (str in kinds or Path in kinds):
            return True
        node = getattr(node, str(key), None)
    return not isinstance(node, int | float | str | None)


def named(dump: dict[str, Any], references: Mapping[Keys, str]) -> dict[str, Any]:
    """A dump of a config with references in place of their values. Changes `dump`."""
    for keys, reference in references.items():
        node: Any = dump
        for key in keys[:-1]:
            node = _at(node, key)
        if isinstance(node, list) and isinstance(keys[-1], int) and keys[-1] < len(node):
            node[keys[-1]] = reference
        elif isinstance(node, dict) and keys[-1] in node:
            node[str(keys[-1])] = reference
    return dump


def _at(node: Any, key: str | int) -> Any:
    try:
        return node[key]
    except (KeyError, IndexError, TypeError):
        return None
