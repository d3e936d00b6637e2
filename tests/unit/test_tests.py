"""Tests that can fail: an assertion about a list that is made on the spot only says that it isn't empty."""

import ast
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ALWAYS_TRUE = (
    ast.List,
    ast.ListComp,
    ast.Tuple,
    ast.Set,
    ast.SetComp,
    ast.Dict,
    ast.DictComp,
    ast.GeneratorExp,
    ast.JoinedStr,
)


def _pointless(source: str) -> list[int]:
    """Lines of assertions whose truth says nothing of what stands in them."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assert) and isinstance(node.test, ALWAYS_TRUE)
    ]


def test_no_assertion_is_about_a_list_made_on_the_spot() -> None:
    found = {str(path.relative_to(TESTS)): _pointless(path.read_text(encoding="utf-8")) for path in TESTS.rglob("*.py")}
    assert len(found) > 50
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_such_an_assertion_is_found() -> None:
    assert _pointless("assert [x < 1 for x in xs]\nassert all(x < 1 for x in xs)\nassert (a, 'why')") == [1, 3]


def test_no_script_is_called_as_a_module_of_python() -> None:
    """The folder of a script comes first in its search path: `profile.py` there kept torch from being imported."""
    scripts = list((TESTS.parent / "scripts").rglob("*.py"))
    assert len(scripts) > 10
    assert [path.name for path in scripts if path.stem in sys.stdlib_module_names] == []
