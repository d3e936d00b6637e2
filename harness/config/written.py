"""Writes Python values as overrides that Hydra reads back unchanged."""

from collections.abc import Mapping
from typing import Any


def written(key: str, value: Any) -> list[str]:
    """One override for a value, or one for each leaf of a nested dict."""
    if isinstance(value, Mapping):
        return [line for below, leaf in value.items() for line in written(f"{key}.{below}", leaf)]
    return [f"{key}={value_written(value)}"]


def value_written(value: Any) -> str:
    """A Python value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{','.join(value_written(one) for one in value)}]"
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        return repr(float(value))  # numpy's floats are of this class, and show themselves as np.float64(0.5)
    text = str(value)
    if text and all(character.isalnum() or character in "-_./:@%+" for character in text):
        return text
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"
