"""From Hydra's YAML groups and command-line overrides to one checked `RunConfig`.

The user's own `--config-dir` comes before the packaged `conf/`, file by file. Every mistake ends in one line of a
`ConfigError` that names where the value stands, the key, and what was expected.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.config.auto import resolve_kind
from harness.config.plugins import ENGINES, POLICIES, TRACKERS, Registry, folders, load_plugins
from harness.config.schema import RunConfig, contradictions
from harness.config.searchpath import own_first
from harness.errors import ConfigError, did_you_mean, first_line
from harness.paths import conf_dir, prompt_dir

CONFIG_NAME = "config"
ROLES = ("patient", "therapist")
_ROLE_GROUPS = tuple(
    (f"{role}.{group}=", f"{group}@{role}.{group}=") for role in ROLES for group in ("engine", "model")
)
_SAMPLE_KEYS = {"sample": "personas.sample", "sample_seed": "personas.sample_seed"}
"""Settings that users write as if they were part of `personas`, which is a list."""
DEFAULT_PERSONA = "skeptical-bullied-overwhelmed"
DEFAULT_MODEL = "smollm2-135m"
"""The choice of config.yaml, which nobody asked for."""
INHERIT = "inherit"
"""Of a role's sampling: the value of its model's preset."""
_FREE_KEYS = re.compile(
    r"((patient|therapist)\.)?(engine\.args|engine\.options|engine\.extra_body|model\.template_args)[.=]"
)
_PLUGGED = {"engine": (ENGINES, "kind"), "context": (POLICIES, "policy")}
"""Groups whose choices plug-ins may add to, and the key that names the choice."""


@dataclass(frozen=True, slots=True)
class Composed:
    """What Hydra made of the YAML files and overrides, not yet checked."""

    tree: Mapping[str, Any]
    overrides: tuple[str, ...]
    choices: Mapping[str, str]
    """Chosen file of each config group, as {"therapist": "act"}."""
    config_dirs: tuple[Path, ...]


def load(overrides: Sequence[str], config_dir: Path | None = None) -> RunConfig:
    """Compose and check a configuration. Raises `ConfigError` with one line a mistake."""
    return check(compose(overrides, config_dir))


def hydra_override(override: str) -> str:
    """What users may write as what Hydra's grammar takes.

    `therapist.engine=openai` chooses from the group, as `engine=openai` does (Hydra writes it with an @), free keys, as
    in `engine.args.seed=1`, need no `+`, and `personas.sample=10` stands beside the list of personas.
    """
    for key, written in _SAMPLE_KEYS.items():
        if override.startswith(f"{written}="):
            return key + override.removeprefix(written)
    head, _, value = override.partition("=")
    prefix, _, group = head.rpartition(".")
    if group in _PLUGGED and prefix in ("", *ROLES) and value in _PLUGGED[group][0].added():
        return f"{head}.{_PLUGGED[group][1]}={value}"
    for short, full in _ROLE_GROUPS:
        if override.startswith(short):
            return full + override.removeprefix(short)
    return f"++{override}" if _FREE_KEYS.match(override) else override


def own_dir(config_dir: Path | None) -> Path | None:
    """The user's config folder, made absolute. Raises `ConfigError` where it isn't there."""
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigError(f"--config-dir: no folder at {config_dir}")
    return config_dir and config_dir.resolve()


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> Composed:
    """Let Hydra compose; its errors come back as one line for each override that is wrong."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    own = own_dir(config_dir)
    load_plugins(_named_plugins(overrides, own))
    asked = tuple(hydra_override(override) for override in overrides)
    try:
        return _compose(asked, own)
    except (HydraException, OmegaConfBaseException) as error:
        lines = tuple(_diagnose(asked, own)) or (first_line(error),)
        raise ConfigError(*lines) from error


def _compose(overrides: tuple[str, ...], own: Path | None) -> Composed:
    return _composed(overrides, own) if own else _packaged(overrides, folders())


@lru_cache(maxsize=256)
def _packaged(overrides: tuple[str, ...], plugged: tuple[Path, ...]) -> Composed:
    """From conf/ and the folders of plug-ins, which stay as they are while a process lives: the points of a sweep repeat
    much."""
    return _composed(overrides, None)


def _composed(overrides: tuple[str, ...], own: Path | None) -> Composed:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with own_first(own), initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = hydra_compose(CONFIG_NAME, list(overrides), return_hydra_config=True)
    choices = {str(group): str(choice) for group, choice in cfg.hydra.runtime.choices.items() if choice is not None}
    OmegaConf.set_readonly(cfg, False)
    OmegaConf.set_struct(cfg, False)
    cfg.pop("hydra")
    tree = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(tree, dict)
    return Composed(
        {str(key): value for key, value in tree.items()},
        overrides,
        choices,
        _dirs(own),
    )


def _dirs(own: Path | None) -> tuple[Path, ...]:
    """Where config files are looked up, in this order."""
    return (*([own] if own else []), conf_dir(), *folders())


def _named_plugins(overrides: Sequence[str], own: Path | None) -> tuple[str, ...]:
    """The modules that `plugins` names: on the command line, else in the user's config.yaml.

    They are needed before Hydra composes, since they may bring config files.
    """
    given = [override.partition("=")[2] for override in overrides if re.match(r"\+{0,2}plugins=", override)]
    value: object = None
    if given:
        value = yaml.safe_load(given[-1])
    elif own and (own / f"{CONFIG_NAME}.yaml").is_file():
        tree = yaml.safe_load((own / f"{CONFIG_NAME}.yaml").read_text(encoding="utf-8"))
        value = tree.get("plugins") if isinstance(tree, Mapping) else None
    return tuple(map(str, value)) if isinstance(value, list) else (value,) if isinstance(value, str) else ()


def _diagnose(overrides: tuple[str, ...], own: Path | None) -> Iterator[str]:
    """One line for each override that fails on its own."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    known: list[str] | None = None
    for override in overrides:
        try:
            _compose((override,), own)
        except (HydraException, OmegaConfBaseException) as error:
            if known is None:
                known = sorted(set(_keys(_compose((), own).tree)))
            yield _explain(override, error, known, _dirs(own))


def _explain(override: str, error: Exception, known: Sequence[str], dirs: Sequence[Path]) -> str:
    from hydra.errors import OverrideParseException

    key, _, value = override.lstrip("+~").partition("=")
    group = key.partition("@")[0]
    options = _options(group, dirs)
    if isinstance(error, OverrideParseException) or not _:
        shown = f"{key}=..." if "base_url" in key or "://" in value else override  # it may hold a key
        return f"command line: {shown!r} is not a setting; expected KEY=VALUE (quote values with spaces or commas)"
    if options:
        return f"command line: {key}={value}: no such choice{did_you_mean(value, options)}; expected one of {', '.join(options)}"
    if key not in known:
        return (
            f"command line: {key}: unknown setting{did_you_mean(key, known)}; `harness run --cfg job` prints them all"
        )
    return f"command line: {override}: {first_line(error)}"


def groups() -> dict[str, list[str]]:
    """The packaged config groups and what can be chosen in each."""
    names = sorted(folder.name for folder in conf_dir().iterdir() if folder.is_dir() and folder.name != "role")
    found = {name: _options(name, (conf_dir(),)) for name in (*names, "hydra/launcher")}
    return {name: options for name, options in found.items() if options}


def _options(group: str, dirs: Sequence[Path]) -> list[str]:
    """Names that can be chosen in a config group."""
    hidden = {"base", "inherit"}
    return sorted({file.stem for folder in dirs for file in (folder / group).glob("*.yaml")} - hidden)


def _keys(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """All dotted keys of a tree, inner nodes included."""
    for key, value in tree.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _keys({str(k): v for k, v in value.items()}, f"{prefix}{key}.")


def check(composed: Composed) -> RunConfig:
    """Fill what is left open (personas, roles, `auto`, paths of prompts) and validate. Raises `ConfigError`."""
    tree = inherit(composed.tree, frozenset(_sampling_asked_for(composed)))
    if tree.get("personas") is None:
        tree["personas"] = [] if tree.get("sample") else [DEFAULT_PERSONA]
    for name in ROLES:
        role = tree.get(name)
        if isinstance(role, dict) and isinstance(role.get("prompt"), str):
            role["prompt"] = _own_prompt(role["prompt"], composed.config_dirs)
    try:
        config = RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(*_lines(error, composed)) from error
    if lines := [*_unknown_names(config, composed), *contradictions(config)]:
        raise ConfigError(*lines)
    return config


def _sampling_asked_for(composed: Composed) -> Iterator[str]:
    """The roles whose model's sampling somebody asked for: by choosing the model, or in words."""
    chosen = composed.choices.get("model") != DEFAULT_MODEL
    named = any(override.startswith(("model=", "model.sampling.")) for override in composed.overrides)
    for name in ROLES:
        own = composed.choices.get(f"model@{name}.model", INHERIT) != INHERIT
        if chosen or named or own or any(o.startswith(f"{name}.model.sampling.") for o in composed.overrides):
            yield name


def _unknown_names(config: RunConfig, composed: Composed) -> Iterator[str]:
    """One line for each engine, context policy or tracker that nobody registered."""
    named: list[tuple[str, str, Registry[Any]]] = [("context.policy", config.context.policy, POLICIES)]
    named += [
        (_written_key(f"{role}.engine.kind", composed.tree), of.engine.kind, ENGINES) for role, of in config.roles()
    ]
    named += [("trackers", name, TRACKERS) for name in config.trackers]
    for key, name, registry in dict.fromkeys(named):
        known = registry.names()
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "none: no plug-in brings one"
            yield f"{_source(key, composed)}: {key}: expected {expected}, found {name!r}{did_you_mean(name, known)}"


def inherit(tree: Mapping[str, Any], sampling_asked_for: frozenset[str]) -> dict[str, Any]:
    """Fill what a role leaves at null from the run's engine and the run's model, and what it leaves at `inherit` of its
    sampling from its model. To a server that is sent only for the roles `sampling_asked_for`: else its own defaults hold.
    """
    resolved = {key: value for key, value in tree.items() if key not in ("engine", "model")}
    for name in ROLES:
        role = tree.get(name)
        if not isinstance(role, Mapping):
            continue
        model = _filled(tree.get("model"), role.get("model"))
        engine = _filled(tree.get("engine"), role.get("engine"))
        preset = model.pop("sampling", None)
        if engine.get("kind") == "auto":
            engine |= {"kind": resolve_kind("auto"), "chosen_by_auto": True}
        if engine.get("kind") == "openai" and name not in sampling_asked_for:
            preset = None
        sampling = _sampling(preset, role.get("sampling"))
        resolved[name] = {**role, "model": model, "engine": engine, "sampling": sampling}
    return resolved


def _sampling(preset: object, own: object) -> dict[str, Any]:
    """A role's sampling: `inherit` takes the preset's value, and null is the engine's own default."""
    known = preset if isinstance(preset, Mapping) else {}
    asked = {**dict.fromkeys(known, INHERIT), **own} if isinstance(own, Mapping) else dict(known)
    found = {key: known.get(key) if value == INHERIT else value for key, value in asked.items()}
    return {key: value for key, value in found.items() if key != "stop" or value is not None}


def _filled(base: object, own: object) -> dict[str, Any]:
    """`own` where it is not null, else `base`."""
    merged = dict(base) if isinstance(base, Mapping) else {}
    if isinstance(own, Mapping):
        merged |= {key: value for key, value in own.items() if value is not None or key not in merged}
    return merged


def _own_prompt(prompt: str, dirs: Sequence[Path]) -> str:
    """A template of the user's as an absolute path; one of the harness, or one that isn't there, as it is named.

    The config folder comes before the harness's templates, to replace one of them on purpose; the working directory
    after them, so that a file lying about never does.
    """
    own = [
        place / prompt
        for folder in dirs
        if folder != conf_dir()
        for place in (folder, folder / "prompts")
        if (place / prompt).is_file()
    ]
    if not own and not (prompt_dir() / prompt).is_file() and Path(prompt).is_file():
        own = [Path(prompt)]
    return str(own[0].resolve()) if own else prompt


def _lines(error: ValidationError, composed: Composed) -> Iterator[str]:
    """One line a mistake: where it stands, key, what was expected, what was found."""
    known = sorted(set(_keys(composed.tree)))
    mistakes: dict[str, list[Mapping[str, Any]]] = {}
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"] if not _UNION_BRANCH.match(str(part)))
        mistakes.setdefault(_written_key(path, composed.tree), []).append(dict(item))
    for key, items in mistakes.items():
        source, found = _source(key, composed), items[0]["input"]
        key = _SAMPLE_KEYS.get(key, key)
        expected = " or ".join(dict.fromkeys(_expected(item) for item in items))
        if items[0]["type"] == "extra_forbidden":
            yield f"{source}: {key}: unknown setting{did_you_mean(key, known)}"
        elif items[0]["type"] == "missing" or found is None:
            yield f"{source}: {key}: no value; expected {expected}"
        else:
            yield f"{source}: {key}: expected {expected}, found {found!r}"


def _written_key(key: str, tree: Mapping[str, Any]) -> str:
    """The key under which a user wrote a value: that of the run where a role only inherited it."""
    role, _, rest = key.partition(".")
    if role not in ROLES or not _inherited(tree, role, rest):
        return key
    group = rest.partition(".")[0]
    if group in ("engine", "model"):
        return rest
    return f"model.{rest}" if group == "sampling" else key


def _inherited(tree: Mapping[str, Any], role: str, rest: str) -> bool:
    """Whether a role's setting is null in its own block, so that its value came from the top level."""
    node: object = tree.get(role)
    for part in rest.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node is None or node == INHERIT


_UNION_BRANCH = re.compile(r"literal\[|constrained-|function-")
_EXPECTED = {
    "too_short": "at least one",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "string_type": "text",
    "missing": "a value",
}


def _expected(item: Mapping[str, Any]) -> str:
    message = str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return _EXPECTED.get(str(item["type"]), message[:1].lower() + message[1:])


def _source(key: str, composed: Composed) -> str:
    """Where a value stands: the command line, or the config file that was chosen for its group."""
    if any(override.lstrip("+").partition("=")[0] == key for override in composed.overrides):
        return "command line"
    group = key.partition(".")[0]
    relative = (
        Path(group, f"{composed.choices[group]}.yaml") if group in composed.choices else Path(f"{CONFIG_NAME}.yaml")
    )
    return next(
        (
            str(Path("conf") / relative if folder == conf_dir() else folder / relative)
            for folder in composed.config_dirs
            if (folder / relative).is_file()
        ),
        str(relative),
    )
