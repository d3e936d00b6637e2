"""Every mistake in a persona file gives its own clear line: file, key, what was found, what was expected."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness.errors import PersonaError
from harness.paths import persona_dir
from harness.personas.library import parse, read

GOOD = (persona_dir() / "two-cups.yaml").read_text(encoding="utf-8")


def changed(*keys: str | int, to: object) -> Callable[[], str]:
    """The good persona with one value replaced."""

    def text() -> str:
        data = yaml.safe_load(GOOD)
        place = data
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
        return yaml.safe_dump(data, allow_unicode=True)

    return text


def without(*keys: str) -> Callable[[], str]:
    """The good persona with one key left out."""

    def text() -> str:
        data = yaml.safe_load(GOOD)
        place = data
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]
        return yaml.safe_dump(data, allow_unicode=True)

    return text


def edited(old: str, new: str) -> Callable[[], str]:
    """The good persona with its text edited."""
    assert old in GOOD
    return lambda: GOOD.replace(old, new, 1)


TRIGGER = {"situation": "s", "thought": "t", "emotion": "e", "body": "b", "behaviour": "b"}

BROKEN: list[tuple[Callable[[], str], str]] = [
    (changed("identity", "age", to="old"), "p.yaml: identity.age: expected an integer from 18 to 99, found 'old'"),
    (changed("identity", "age", to=17), "p.yaml: identity.age: expected an integer from 18 to 99, found 17"),
    (changed("identity", "age", to=100), "p.yaml: identity.age: expected an integer from 18 to 99, found 100"),
    (changed("identity", "age", to=40.5), "p.yaml: identity.age: expected an integer from 18 to 99, found 40.5"),
    (changed("identity", "age", to=True), "p.yaml: identity.age: expected an integer from 18 to 99, found true"),
    (changed("identity", "name", to=False), "p.yaml: identity.name: expected text of 1 to 60 characters, found false"),
    (changed("identity", "name", to="  "), "p.yaml: identity.name: expected text of 1 to 60 characters, found '  '"),
    (changed("identity", to="Arthur"), "p.yaml: identity: expected keys name, age, gender, pronouns, occupation"),
    (changed("identity", "agee", to=3), "p.yaml: identity.agee: unknown key (did you mean age?)"),
    (changed("zodiac", to="x"), "p.yaml: zodiac: unknown key; known: "),
    (changed("stile", to="plain"), "p.yaml: stile: unknown key (did you mean style?)"),
    (without("identity", "age"), "p.yaml: identity.age: missing; expected an integer from 18 to 99"),
    (without("history"), "p.yaml: history: missing; expected text of 1 to 600 characters"),
    (without("disclosure"), "p.yaml: disclosure: missing; expected a list of 1 to 4 entries, each keys topic, content"),
    (changed("version", to=2), "p.yaml: version: expected 1, found 2"),
    (changed("id", to="Two Cups"), "p.yaml: id: expected text that matches ^[a-z0-9]+(-[a-z0-9]+)*$, found 'Two Cups'"),
    (changed("history", to="x" * 601), "p.yaml: history: expected text of 1 to 600 characters, found 601 characters"),
    (changed("history", to=None), "p.yaml: history: expected text of 1 to 600 characters, found nothing"),
    (
        changed("style", to="chatty"),
        "p.yaml: style: expected one of plain, upset, verbose, reserved, tangential, pleasing",
    ),
    (changed("resistance", to=["sceptical"]), "p.yaml: resistance[0]: expected one of skeptical, minimizing"),
    (
        changed("resistance", to="silent"),
        "p.yaml: resistance: expected a list of 1 to 3 entries, each one of skeptical",
    ),
    (
        changed("resistance", to=["silent", "silent"]),
        "p.yaml: resistance: each entry at most once, found silent, silent",
    ),
    (changed("problems", to=[]), "p.yaml: problems: expected a list of 1 to 4 entries, each one of adhd"),
    (changed("risk", to="severe"), "p.yaml: risk: expected one of none, low, moderate, high, imminent, found 'severe'"),
    (changed("language", to="English"), "p.yaml: language: expected text that matches ^[a-z]{2,3}"),
    (
        changed("disclosure", 0, "trust", to=1.2),
        "p.yaml: disclosure[0].trust: expected a number from 0 to 1, found 1.2",
    ),
    (
        changed("disclosure", 0, "trust", to=".4"),
        "p.yaml: disclosure[0].trust: expected a number from 0 to 1, found '.4'",
    ),
    (changed("disclosure", 0, "trust", to=0.9), "p.yaml: disclosure: trust must not fall from one layer to the next"),
    (changed("disclosure", 1, "needs", to="love"), "p.yaml: disclosure[1].needs: expected one of nothing, asked"),
    (changed("pace", "overwhelm_at", to=0), "p.yaml: pace.overwhelm_at: expected a number from 0.2 to 1, found 0"),
    (changed("start", "trust", to=float("nan")), "p.yaml: start.trust: expected a number from 0 to 1"),
    (
        changed("conceptualization", "triggers", to=[dict(TRIGGER) for _ in range(4)]),
        "p.yaml: conceptualization.triggers: expected a list of 1 to 3 entries, each keys situation",
    ),
    (
        changed("conceptualization", "triggers", to=[{**TRIGGER, "thought": ""}]),
        "p.yaml: conceptualization.triggers[0].thought: expected text of 1 to 160 characters, found ''",
    ),
    (
        changed("conceptualization", "triggers", to=[dict.fromkeys(TRIGGER, "x" * 160) for _ in range(3)]),
        "p.yaml: text: expected at most 2200 characters in all",
    ),
    (edited("summary:", "risk: none\nsummary:"), "not valid YAML: key 'risk' is given twice"),
    (edited("  age: 79", "  age: 79\n  age: 80"), "p.yaml: line 8, column 3: not valid YAML: key 'age' is given twice"),
    (edited("  name: Arthur", "  name: [Arthur"), "not valid YAML: "),
    (edited("  age: 79", "\tage: 79"), "p.yaml: line 7, column 1: not valid YAML: "),
    (
        edited("summary:", "x: &a 1\ny: *a\nsummary:"),
        "p.yaml: line 4, column 4: not valid YAML: aliases are not allowed",
    ),
    (edited("summary:", "x: !!python/object/apply:os.getcwd []\nsummary:"), "not valid YAML: could not determine a"),
    (lambda: "- a list", "p.yaml: expected a persona (keys and values), found a list of 1"),
    (lambda: "", "p.yaml: expected a persona (keys and values), found nothing"),
    (lambda: "a: \x00", "p.yaml: not valid YAML: "),
    (lambda: "[" * 5000, "p.yaml: line 1, column 33: not valid YAML: nested more than 32 levels deep"),
]


@pytest.mark.parametrize(("broken", "line"), BROKEN, ids=[line[:70] for _, line in BROKEN])
def test_a_broken_persona_gives_its_clear_line(broken: Callable[[], str], line: str) -> None:
    with pytest.raises(PersonaError) as caught:
        parse(broken(), "p.yaml")
    assert any(line in found for found in caught.value.lines), caught.value.lines
    assert all(found.startswith("p.yaml: ") and "\n" not in found for found in caught.value.lines)
    assert caught.value.exit_code == 2


def test_every_mistake_of_a_file_gets_a_line_of_its_own() -> None:
    data = yaml.safe_load(GOOD)
    data["identity"]["age"] = "old"
    data["style"] = "chatty"
    del data["stage"]
    with pytest.raises(PersonaError) as caught:
        parse(yaml.safe_dump(data), "p.yaml")
    assert len(caught.value.lines) == 3


def test_a_file_that_is_not_there_not_text_or_far_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match=r"gone\.yaml: can't be read: No such file"):
        read(tmp_path / "gone.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"id: \xff\xfe")
    with pytest.raises(PersonaError, match=r"binary\.yaml: expected UTF-8 text, found another encoding at byte 4"):
        read(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_text("#" * 70_000, encoding="utf-8")
    with pytest.raises(PersonaError, match=r"large\.yaml: can.t be read: expected at most 64000 bytes, found 70000"):
        read(tmp_path / "large.yaml")
