"""Reads YAML as plain data: no aliases, no duplicate keys, no endless nesting, no values of unusual types.

Invariant: for any file, the caller gets plain data or one of `REFUSED`; nothing in the file is ever executed.
"""

from collections.abc import Hashable, Iterator
from typing import Any

import yaml

from harness.reading.yaml_shape import LOADER, check_shape
from harness.text.visible import visible

LONGEST_KEY = 60
REFUSED = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""The exceptions that PyYAML raises, also for a scalar that does not fit its tag, such as `!!int ''`."""


class _Loader(LOADER):  # type: ignore[misc, valid-type]
    """Safe YAML that refuses duplicate keys, since they hide a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                problem = f"key '{key.value}' is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def load(text: str) -> object:
    """The data of a YAML text. Raises one of `REFUSED`; `harness.reading.yaml_shape.not_yaml` makes a message of it."""
    check_shape(text, aliases=False)
    data: object = yaml.load(text, Loader=_Loader)
    return data


def unfit(data: object, path: str = "") -> Iterator[str]:
    """A line for each value of an unsupported type, such as a date, and for each text with control characters."""
    if isinstance(data, dict):
        for key, value in data.items():
            if not isinstance(key, str):
                yield f"{path or 'a key'}: expected a name as key, found {_kind(key)}"
            elif visible(key) != key or len(key) > LONGEST_KEY:
                yield f"{path or 'a key'}: expected a name as key, found {visible(key)[:LONGEST_KEY]!r}"
            else:
                yield from unfit(value, f"{path}.{key}" if path else key)
    elif isinstance(data, list):
        for place, item in enumerate(data):
            yield from unfit(item, f"{path}[{place}]")
    elif isinstance(data, str):
        if (escaped := visible(data)) != data.replace("\r\n", "\n"):
            yield f"{path}: expected plain text, found a control character ({escaped[:60]!r})"
    elif isinstance(data, int):
        if abs(data) >= 2**63:
            yield f"{path}: expected a number of at most 64 bits"
    elif data is not None and not isinstance(data, float):
        yield f"{path or 'file'}: expected text, a number, a list or keys and values, found {_kind(data)}"


def _kind(value: object) -> str:
    return f"a {type(value).__name__}" if value is not None else "nothing"
