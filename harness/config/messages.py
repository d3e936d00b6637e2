"""Messages about mistakes in a config, one line each: the source of the value, its key, what was expected."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.config.credentials import REFERENCE, masked
from harness.errors import did_you_mean, first_line, some_of
from harness.paths import conf_dir

CONFIG_NAME = "config"
JUDGE = "judge"
ROLES = ("patient", "therapist")
SAMPLE_KEYS = {"sample": "personas.sample", "sample_seed": "personas.sample_seed"}
"""Settings that users write as keys of `personas`, which is a list."""
_LISTS = frozenset({"personas", "stop"})
"""Settings that hold a list."""
LONGEST_VALUE = 80
"""Characters of a value in a message."""


@dataclass(frozen=True, slots=True)
class Composed:
    """The config that Hydra composed from YAML files and overrides, not yet checked."""

    tree: Mapping[str, Any]
    overrides: tuple[str, ...]
    choices: Mapping[str, str]
    """Chosen file of each config group, such as {"therapist": "act"}."""
    config_dirs: tuple[Path, ...]
    sweeps: tuple[str, ...] = ()
    """Settings in config files that make points of a sweep, as KEY=VALUES."""

    def source(self, key: str) -> str:
        """The source of a value: the command line, or the config file that was chosen for its group."""
        given = [override.lstrip("+").partition("=")[0] for override in self.overrides]
        given = [name for name in given if name not in self.choices]  # a choice only names the file with the value
        if any(key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.") for name in given):
            return "command line"
        file = _file(f"experiment/{self.choices.get('experiment')}", self.config_dirs)
        if file and _found(yaml.safe_load(file.read_text(encoding="utf-8")), key) is not None:
            return _shown(file)
        group = key.partition(".")[0]
        chosen = self.choices.get(group)
        name = f"{group}/{chosen}" if chosen else CONFIG_NAME
        file = _file(name, self.config_dirs)
        return _shown(file) if file else f"{name}.yaml"

    def written_key(self, key: str) -> str:
        """The key under which a user wrote a value: the run's key if a role only inherited it."""
        role, _, rest = key.partition(".")
        if role not in ROLES or _found(self.tree, key) not in (None, "inherit"):
            return key
        group = rest.partition(".")[0]
        if group in ("engine", "model"):
            return rest
        return f"model.{rest}" if group == "sampling" else key


def _file(name: str, dirs: Sequence[Path]) -> Path | None:
    """The config file with this name that comes first."""
    return next((folder / f"{name}.yaml" for folder in dirs if (folder / f"{name}.yaml").is_file()), None)


def _shown(file: Path) -> str:
    return str(Path("conf") / file.relative_to(conf_dir()) if file.is_relative_to(conf_dir()) else file)


def _found(tree: object, key: str) -> object:
    """The value at a dotted key; None if there is none."""
    for part in key.split("."):
        if isinstance(tree, Mapping):
            tree = tree.get(part)
        elif isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return None
    return tree


def options(group: str, dirs: Sequence[Path]) -> list[str]:
    """The names that can be chosen in a config group."""
    hidden = {"base", "inherit"}
    return sorted({file.stem for folder in dirs for file in (folder / group).glob("*.yaml")} - hidden)


def keys_of(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """All dotted keys of a tree, including inner nodes."""
    for key, value in tree.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from keys_of({str(k): v for k, v in value.items()}, f"{prefix}{key}.")


def said_first(error: BaseException) -> str:
    """The first line of an error of another library, shortened; for YAML, the problem and its line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return shortened(f"line {error.problem_mark.line + 1}: {error.problem}")
    return shortened(re.sub(r"^\w+ raised while resolving interpolation: ", "", first_line(error)))


def shortened(text: str) -> str:
    """A value, shortened for a message."""
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}... ({len(text)} characters)"


def of_override(written: str, error: Exception, known: Sequence[str], dirs: Sequence[Path]) -> str:
    """One line for an override that Hydra refuses, with the override as the user wrote it."""
    from hydra.errors import OverrideParseException

    key, given, value = written.lstrip("+~").partition("=")
    shown, group = shortened(masked(written)), _group(key)
    choices = options(group, dirs)
    if given and _is_several(value, error):
        listed = f"; for a list write {key}=[{value}]" if key.rsplit(".", 1)[-1] in _LISTS else ""
        return f"command line: {shown}: several values make a sweep, which needs -m{listed}"
    if isinstance(error, OverrideParseException) or not given or not key:
        remedy = "write a value with brackets, commas or quotes as \"KEY='VALUE'\""
        return f"command line: {shown!r} is not a setting; expected KEY=VALUE ({remedy})"
    if value in choices and (file := _file(f"{group}/{value}", dirs)):
        return f"{_shown(file)}: {said_first(error)}"
    if choices:
        expected = f"expected one of {some_of(choices, value, 'python -m harness list')}"
        return f"command line: {shown}: no such choice{did_you_mean(value, choices)}; {expected}"
    if "4300" in str(error):  # digits, Python's limit for a number in text
        return f"command line: {shown}: expected a smaller number"
    if key not in known:
        unknown = f"command line: {shortened(key)}: unknown setting{did_you_mean(key, known)}"
        return f"{unknown}; `python -m harness run --cfg job` prints them all"
    return f"command line: {shown}: {said_first(error)}"


def _group(key: str) -> str:
    """The config group that a key chooses from: `patient.engine` chooses from `engine`."""
    role, _, group = key.partition(".")
    return group if role in ROLES and group in ("engine", "model") else key.partition("@")[0]


def _is_several(value: str, error: Exception) -> bool:
    said = str(error)
    plain = re.fullmatch(r"[^\[\]{}()'\"$]+,[^\[\]{}()'\"$]*", value) is not None
    return plain or "Ambiguous value" in said or "requires --multirun" in said


def of_validation(error: ValidationError, composed: Composed, known: Sequence[str]) -> Iterator[str]:
    """One line per mistake that pydantic found."""
    mistakes: dict[str, list[Mapping[str, Any]]] = {}
    for path, items in _by_key(error).items():
        mistakes.setdefault(composed.written_key(path), []).extend(items)
    for key, items in mistakes.items():
        source, shown = composed.source(key), SAMPLE_KEYS.get(key, key)
        if items[0]["type"] == "extra_forbidden" and key == "experiment":
            yield f"{source}: expected settings below a first line `# @package _global_`, with which they are those of the run"
        elif items[0]["type"] == "extra_forbidden":
            yield f"{source}: {shown}: unknown setting{did_you_mean(shown, known)}"
        else:
            yield f"{source}: {shown}: {_said(items, _found(composed.tree, key))}"


def of_changed(error: ValidationError, tree: Mapping[str, Any]) -> Iterator[str]:
    """The same for the settings `tree` of a resumed run, some of which the command line changed."""
    for key, items in _by_key(error).items():
        yield f"command line: {key}: {_said(items, _found(tree, key))}"


def _by_key(error: ValidationError) -> dict[str, list[Mapping[str, Any]]]:
    """The mistakes by their dotted key; each member of a union has its own."""
    mistakes: dict[str, list[Mapping[str, Any]]] = {}
    for item in error.errors(include_url=False):
        path = ".".join(str(part) for part in item["loc"] if not _UNION_BRANCH.match(str(part)))
        mistakes.setdefault(path, []).append(dict(item))
    return mistakes


def _said(items: Sequence[Mapping[str, Any]], written: object) -> str:
    """What was expected and found at one key, where `written` stands in the config."""
    found, expected = items[0]["input"], " or ".join(dict.fromkeys(map(_expected, items)))
    if isinstance(written, str) and REFERENCE.search(written):
        found = written  # show the reference: the variable's value may be a secret
    if items[0]["type"] == "missing" or found is None:
        return f"no value; expected {expected}"
    return f"expected {expected}, found {shortened(repr(found))}"


_UNION_BRANCH = re.compile(r"literal\[|constrained-|function-")
_EXPECTED = {
    "too_short": "at least one",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number that is not as long",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "string_pattern_mismatch": "a name of letters, digits and underscores",
    "missing": "a value",
}


def _expected(item: Mapping[str, Any]) -> str:
    message = str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return _EXPECTED.get(str(item["type"]), message[:1].lower() + message[1:])
