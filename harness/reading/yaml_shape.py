"""Checks YAML text before it is loaded: its depth, and its size with all aliases expanded."""

from pathlib import Path
from typing import Any

import yaml

DEEPEST = 32
"""Levels of nesting; a persona has five, a config four."""
MOST_NODES = 100_000
"""Keys and values, with all aliases expanded."""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast if PyYAML was built with libyaml, as its wheels are."""


_PLAINER = {
    "found character that cannot start any token": (
        "found a character that can't stand here; indent with spaces, not tabs, and put text that begins with @, % or ` in quotes"
    )
}
"""Plainer words for libyaml's message about the most common mistake."""


def own_data(file: Path) -> Any:
    """The data of a YAML file that ships with the package."""
    return yaml.load(file.read_text("utf-8"), Loader=LOADER)


def check_shape(text: str, *, aliases: bool) -> None:
    """Raise `YAMLError` for text that is not YAML, is nested too deeply, or has too many nodes once aliases are expanded.

    `aliases` says whether aliases are allowed.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    nodes = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            if not aliases:
                raise _problem("aliases are not allowed here", event)
            if event.anchor not in sizes:
                raise _problem(f"alias *{event.anchor} is inside the value that it stands for", event)
            nodes += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            nodes += 1
            open_nodes.append((event.anchor, nodes))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before + 1
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if nodes > MOST_NODES:
            raise _problem(f"more than {MOST_NODES} keys and values", event)
        if len(open_nodes) > DEEPEST:
            raise _problem(f"nested more than {DEEPEST} levels deep", event)


def _problem(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, event.start_mark)  # type: ignore[arg-type]


def not_yaml(error: Exception) -> str:
    """Why a YAML text is refused, with line and column if they are known."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        return f"{where} not valid YAML: {_PLAINER.get(error.problem or '', error.problem)}"
    return f" not valid YAML: {' '.join(str(error).split())}"
