"""Small, deterministic instances of a JSON schema, for the engine without a model."""

from collections.abc import Mapping
from random import Random
from typing import Any

from harness.errors import RequestRejected

Schema = Mapping[str, Any]


def instance(schema: Schema, draw: Random) -> Any:
    """Draw a value that satisfies `schema`: objects, arrays, strings, numbers, enum, const, anyOf and $ref.

    Raises `RequestRejected` for a schema that uses other keywords (`pattern`, `not`, ...).
    """
    return _value(schema, schema, draw)


def _value(schema: Schema, root: Schema, draw: Random) -> Any:
    if "$ref" in schema:
        return _value(_resolve(schema["$ref"], root), root, draw)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _value(draw.choice(schema[key]), root, draw)
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return _value(schema["allOf"][0], root, draw)
    for key in ("pattern", "not", "allOf", "if", "patternProperties"):
        if key in schema:
            raise RequestRejected(f"the dry engine can't answer a JSON schema with {key!r}")
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = draw.choice(kind)
    if kind not in _TYPES:
        raise RequestRejected(f"the JSON schema has a value of the unknown type {kind!r}")
    return _TYPES[kind](schema, root, draw)


def _resolve(ref: str, root: Schema) -> Schema:
    found: Any = root
    for part in ref.removeprefix("#").strip("/").split("/"):
        if not isinstance(found, Mapping) or part not in found:
            raise RequestRejected(f"the JSON schema refers to {ref}, which it does not hold")
        found = found[part]
    return found  # type: ignore[no-any-return]


def _object(schema: Schema, root: Schema, draw: Random) -> dict[str, Any]:
    return {name: _value(value, root, draw) for name, value in schema.get("properties", {}).items()}


def _array(schema: Schema, root: Schema, draw: Random) -> list[Any]:
    fewest = int(schema.get("minItems", 0))
    most = int(schema.get("maxItems", max(fewest, 2)))
    return [_value(schema.get("items", {}), root, draw) for _ in range(draw.randint(fewest, most))]


def _string(schema: Schema, root: Schema, draw: Random) -> str:
    fewest, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    text = draw.choice(("calm", "tired", "tense", "unsure", "a little hopeful"))
    while len(text) < fewest:
        text += " and so on"
    return text if most is None else text[: int(most)]


def _integer(schema: Schema, root: Schema, draw: Random) -> int:
    low = int(schema.get("minimum", int(schema.get("exclusiveMinimum", -1)) + 1))
    high = int(schema.get("maximum", int(schema.get("exclusiveMaximum", low + 11)) - 1))
    step = int(schema.get("multipleOf", 1))
    return draw.randint(-(-low // step), high // step) * step


def _number(schema: Schema, root: Schema, draw: Random) -> float:
    low = float(schema.get("minimum", schema.get("exclusiveMinimum", 0.0)))
    high = float(schema.get("maximum", schema.get("exclusiveMaximum", low + 1.0)))
    return low + (high - low) * draw.choice((0.25, 0.5, 0.75))


def _boolean(schema: Schema, root: Schema, draw: Random) -> bool:
    return draw.random() < 0.5


def _null(schema: Schema, root: Schema, draw: Random) -> None:
    return None


_TYPES = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}
