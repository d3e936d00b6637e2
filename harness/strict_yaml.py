"""YAML as data and nothing else: no aliases, no key twice, no nesting without end.

Invariant: whatever a file holds, its reader gets plain data or a `YAMLError`; nothing in it is ever run.
"""

from collections.abc import Hashable
from typing import Any

import yaml

DEEPEST = 32
"""Levels of nesting."""
_Yaml = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast where PyYAML was built with libyaml, as its wheels are."""


class _Loader(_Yaml):  # type: ignore[misc, valid-type]
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
    """The data of a YAML text. Raises `yaml.YAMLError`, and ValueError for a scalar that is none of its kind."""
    depth = 0
    for event in yaml.parse(text, Loader=_Yaml):
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases are not allowed"
            raise yaml.constructor.ConstructorError(None, None, problem, event.start_mark)  # type: ignore[arg-type]
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"nested more than {DEEPEST} levels deep")
    data: object = yaml.load(text, Loader=_Loader)
    return data


def problem(error: Exception) -> str:
    """One line: where it stands, where that is known, and what is wrong."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return f"{where}not valid YAML: {error.problem}"
    return f"not valid YAML: {' '.join(str(error).split())}"
