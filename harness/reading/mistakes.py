"""Turns validation errors of a file into one line per mistake: key, what was found, what was expected."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.errors import did_you_mean, some_of

JsonSchema = Mapping[str, Any]
Key = str | int


def lines_of(error: ValidationError, model: type[BaseModel], noun: str) -> list[str]:
    """One line per mistake, in the order of the schema of `model`; `noun` names the whole, such as `a persona`."""
    root = model.model_json_schema()
    items = error.errors()
    # pydantic also calls a list with wrong entries too short, since it does not count them.
    inner = {tuple(item["loc"])[:depth] for item in items for depth in range(len(item["loc"]))}
    return [
        line
        for item in items
        if item["type"] != "too_short" or tuple(item["loc"]) not in inner
        for line in _lines(tuple(item["loc"]), item["type"], item.get("input"), item["msg"], root, noun)
    ]


def _lines(keys: tuple[Key, ...], kind: str, found: object, message: str, root: JsonSchema, noun: str) -> list[str]:
    path = key_path(keys)
    if kind == "extra_forbidden":
        parent = _schema_at(keys[:-1], root)
        name, known = str(keys[-1]), list(parent.get("properties", {}))
        return [f"{path}: unknown key{did_you_mean(name, known) or f'; known: {some_of(known, name)}'}"]
    if kind == "value_error":
        return message.removeprefix("Value error, ").splitlines()
    expected = _expected(_schema_at(keys, root), root)
    if kind == "missing":
        return [f"{path}: missing; expected {expected}"]
    if path:
        return [f"{path}: expected {expected}, found {_found(found)}"]
    return [f"expected {noun} (keys and values), found {_found(found)}"]


def key_path(keys: Sequence[Key]) -> str:
    """`disclosure[1].trust`, with list positions from 0."""
    path = ""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
    return path


def _found(value: object) -> str:
    if isinstance(value, Mapping):
        return "keys and values" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"{len(value)} characters of text" if len(value) > 60 else f"'{value}'"
    return json.dumps(value, default=str)


def _resolve(schema: JsonSchema, root: JsonSchema) -> JsonSchema:
    while reference := schema.get("$ref"):
        schema = root["$defs"][reference.rsplit("/", 1)[1]]
    return schema


def _schema_at(keys: Sequence[Key], root: JsonSchema) -> JsonSchema:
    schema: JsonSchema = root
    for key in keys:
        schema = _resolve(schema, root)
        schema = schema.get("items", {}) if isinstance(key, int) else schema.get("properties", {}).get(key, {})
    return _resolve(schema, root)


def _expected(schema: JsonSchema, root: JsonSchema) -> str:
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if "anyOf" in schema:
        return " or ".join(_expected(_resolve(option, root), root) for option in schema["anyOf"])
    match schema.get("type"):
        case "integer":
            return f"an integer{_bounds(schema)}"
        case "number":
            return f"a number{_bounds(schema)}"
        case "boolean":
            return "true or false"
        case "null":
            return "nothing"
        case "string" if "pattern" in schema:
            return f"text that matches {schema['pattern']}"
        case "string":
            return f"text of {schema.get('minLength', 0)} to {schema.get('maxLength', 'any number of')} characters"
        case "array":
            item = _expected(_resolve(schema["items"], root), root)
            return f"a list of {schema.get('minItems', 0)} to {schema['maxItems']} entries, each {item}"
        case "object" if "properties" in schema:
            return f"keys {', '.join(schema['properties'])}"
        case _:
            return "another value"


def _bounds(schema: JsonSchema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return f" from {low:g} to {high:g}" if low is not None and high is not None else ""
