"""Checks that a config has only text and numbers that JSON files, paths and engines can handle."""

from collections.abc import Iterator, Mapping

DEEPEST = 32
"""Levels of nesting."""
LONGEST = 100_000
"""Characters of one value."""


def mistakes(tree: object, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Dotted keys of unsupported values, each with the reason."""
    if depth > DEEPEST:
        yield key, f"nested more than {DEEPEST} levels deep"
    elif isinstance(tree, Mapping):
        for name, value in tree.items():
            if isinstance(name, str) and (why := _of_text(name)):
                yield key, f"a key {why}"
            yield from mistakes(value, f"{key}.{name}" if key else str(name), depth + 1)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from mistakes(value, key, depth + 1)
    elif isinstance(tree, str):
        if why := _of_text(tree):
            yield key, why
    elif isinstance(tree, int):
        if not -(2**63) <= tree < 2**63:
            yield key, "expected a number of at most 64 bits"
    elif isinstance(tree, float):
        if tree != tree or tree in (float("inf"), float("-inf")):
            yield key, f"expected a finite number, found {tree}"
    elif tree is not None and not hasattr(tree, "__fspath__"):
        yield key, f"expected text, a number, a list or keys and values, found {type(tree).__name__}"


def _of_text(text: str) -> str | None:
    if "\0" in text:
        return "contains a NUL character, which paths and files can't contain"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "contains bytes that are not UTF-8 text"
    if len(text) > LONGEST:
        return f"expected at most {LONGEST} characters, found {len(text)}"
    return None
