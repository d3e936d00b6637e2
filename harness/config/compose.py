"""Composes Hydra's YAML groups and command-line overrides to one checked `RunConfig`.

Files in the user's own `--config-dir` take precedence over the packaged `conf/`. Every mistake becomes one line of a
`ConfigError` with the source of the value, the key, and what was expected.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.config import credentials
from harness.config.contradictions import contradictions
from harness.config.effect import only_for_sweeps, without_effect
from harness.config.environment import container
from harness.config.inherit import INHERIT, inherit
from harness.config.initialized import initialized
from harness.config.messages import (
    CONFIG_NAME,
    JUDGE,
    ROLES,
    SAMPLE_KEYS,
    Composed,
    keys_of,
    of_override,
    of_validation,
    options,
    said_first,
    shortened,
)
from harness.config.plugins import ENGINES, POLICIES, TRACKERS, Registry, folders, load_plugins
from harness.config.schema import RunConfig, UnfitSettings
from harness.config.yaml_files import check_folder
from harness.errors import ConfigError, did_you_mean, some_of
from harness.paths import conf_dir, prompt_dir, working_dir

_ROLE_GROUPS = tuple(
    (f"{role}.{group}=", f"{group}@{role}.{group}=") for role in (*ROLES, JUDGE) for group in ("engine", "model")
)
DEFAULT_PERSONA = "skeptical-bullied-overwhelmed"
DEFAULT_MODEL = "smollm2-135m"
"""The default model in config.yaml."""
_FREE_KEYS = re.compile(
    r"((patient|therapist|judge)\.)?(engine\.args|engine\.options|engine\.extra_body|model\.template_args)[.=]"
)
_PLAIN = re.compile(r"[^'\"\\\[\]{}(),$]*")
"""Values without the characters that mean something in a value of Hydra's grammar."""
_UNKNOWN = re.compile(r"[^\x00-\x7f]|[=~#&!;<>^`]")
"""Characters that this grammar takes only in quotes, although they mean nothing there."""
_PLUGGED = {"engine": (ENGINES, "kind"), "context": (POLICIES, "policy")}
"""Groups to which plug-ins may add choices, and the key of the choice."""


def load(overrides: Sequence[str], config_dir: Path | None = None) -> RunConfig:
    """Compose and check a configuration. Raises `ConfigError` with one line per mistake."""
    return check(compose(overrides, config_dir))


def load_run(overrides: Sequence[str], config_dir: Path | None = None) -> RunConfig:
    """The same for one run on a command line, where a given setting without effect is a mistake, too."""
    composed = compose(overrides, config_dir)
    if composed.sweeps:
        named = "=".join(("experiment", composed.choices["experiment"])) if "experiment" in composed.choices else ""
        raise ConfigError(
            f"{named or 'hydra.sweeper.params'}: holds a sweep ({', '.join(composed.sweeps)}), which one run can't play; "
            "add -m"
        )
    if lines := tuple(only_for_sweeps(composed.overrides)):
        raise ConfigError(*lines)
    config = check(composed)
    if idle := without_effect(config, composed.overrides) | deleted_in_vain(config, composed.overrides, config_dir):
        raise ConfigError(*(as_written(line) for line in idle.values()))
    return config


def deleted_in_vain(config: RunConfig, overrides: Sequence[str], config_dir: Path | None) -> dict[str, str]:
    """The deletions (`~KEY`) among `overrides` that leave `config` as it is, each with its line for the user."""
    found = {}
    for deletion in (override for override in overrides if override.startswith("~")):
        others = [override for override in overrides if override != deletion]
        if _config_or_none(others, config_dir) == config:
            shown = deletion.removesuffix("=null")  # as a sweep writes it
            found[deletion] = f"command line: {shown}: set, but without it the same defaults apply; set a value instead"
    return found


def _config_or_none(overrides: Sequence[str], config_dir: Path | None) -> RunConfig | None:
    """The config; None if it is refused."""
    try:
        return check(compose(overrides, config_dir))
    except ConfigError:
        return None


def as_written(line: str) -> str:
    """A line whose keys are written as users write them."""
    for key, written in SAMPLE_KEYS.items():
        line = line.replace(f"command line: {key}:", f"command line: {written}:")
    return line


def hydra_override(override: str) -> str:
    """A user's override in Hydra's syntax.

    `therapist.engine=openai` chooses from the group, as `engine=openai` does (Hydra writes it with an @). Free keys, as in
    `engine.args.seed=1`, need no `+`. `personas.sample=10` is a setting of its own, next to the list of personas.
    """
    for key, written in SAMPLE_KEYS.items():
        if override.startswith(f"{written}="):
            return key + override.removeprefix(written)
    head, _, value = override.partition("=")
    prefix, _, group = head.rpartition(".")
    if group in _PLUGGED and prefix in ("", *ROLES) and value in _PLUGGED[group][0].added():
        return f"{head}.{_PLUGGED[group][1]}={value}"
    for short, full in _ROLE_GROUPS:
        if override.startswith(short):
            return full + override.removeprefix(short)
    return f"++{override}" if _FREE_KEYS.match(override) else _quoted(override)


def _quoted(override: str) -> str:
    """The override with a plain value in quotes if Hydra's grammar needs them: `run.dir=/data/a=b`, `run.name=Müller`."""
    key, _, value = override.partition("=")
    return f"{key}='{value}'" if _UNKNOWN.search(value) and _PLAIN.fullmatch(value) else override


def own_dir(config_dir: Path | None) -> Path | None:
    """The absolute path of the user's config folder. Raises `ConfigError` if it does not exist."""
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigError(f"--config-dir: no folder at {config_dir}")
    if config_dir is None:
        return None
    _check_once(config_dir.resolve())
    return config_dir.resolve()


_check_once = lru_cache(maxsize=16)(check_folder)
"""Cached, since a sweep composes from one folder a thousand times."""


def compose(overrides: Sequence[str], config_dir: Path | None = None, root: str = CONFIG_NAME) -> Composed:
    """Compose with Hydra, from the file `root`. Raises `ConfigError` with a line for each wrong override or config file."""
    working_dir()  # else Hydra's failure without one would be blamed on the config files
    own = own_dir(config_dir)
    refuse_credentials(overrides)
    load_plugins(_named_plugins(overrides, own))
    asked = tuple(hydra_override(override) for override in overrides)
    try:
        return _compose(asked, own, root)
    except refused() as error:
        lines = tuple(_diagnose(overrides, own, root)) or (said_first(error),)
        raise ConfigError(*lines) from error


def refuse_credentials(overrides: Sequence[str]) -> None:
    """Raise `ConfigError` with a line for each override that gives a credential."""
    if lines := [line for override in overrides if (line := credentials.of_override(override))]:
        raise ConfigError(*lines)


def refused() -> tuple[type[Exception], ...]:
    """The exceptions that Hydra and OmegaConf raise for users' mistakes; some are built-in ones."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    others = (
        yaml.YAMLError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
        RecursionError,
    )
    return (HydraException, OmegaConfBaseException, *others)


def _diagnose(overrides: Sequence[str], own: Path | None, root: str) -> Iterator[str]:
    """One line for each override that fails alone; or one for the config files, if they fail without overrides."""
    try:
        known = sorted(set(keys_of(_compose((), own, root).tree)))
    except refused() as error:
        yield f"{own or conf_dir()}: {said_first(error)}"
        return
    for override in overrides:
        try:
            _compose((hydra_override(override),), own, root)
        except refused() as error:
            yield of_override(override, error, known, config_dirs(own))


def _compose(overrides: tuple[str, ...], own: Path | None, root: str = CONFIG_NAME) -> Composed:
    return _composed(overrides, own, root) if own else _packaged(overrides, folders(), root)


@lru_cache(maxsize=256)
def _packaged(overrides: tuple[str, ...], plugged: tuple[Path, ...], root: str) -> Composed:
    """Compose from conf/ and the folders of plug-ins. Cached, since these files don't change while a process runs, and
    points of a sweep have many overrides in common."""
    return _composed(overrides, None, root)


def _composed(overrides: tuple[str, ...], own: Path | None, root: str) -> Composed:
    from hydra import compose as hydra_compose
    from omegaconf import OmegaConf

    with initialized(own):
        cfg = hydra_compose(root, list(overrides), return_hydra_config=True)
    choices = {str(group): str(choice) for group, choice in cfg.hydra.runtime.choices.items() if choice is not None}
    params = cfg.hydra.sweeper.get("params") or {}
    OmegaConf.set_readonly(cfg, False)
    OmegaConf.set_struct(cfg, False)
    cfg.pop("hydra")
    return Composed(
        container(cfg),
        overrides,
        choices,
        config_dirs(own),
        tuple(f"{key}={value}" for key, value in params.items()),
    )


def config_dirs(own: Path | None) -> tuple[Path, ...]:
    """The folders with config files, in search order."""
    return (*([own] if own else []), conf_dir(), *folders())


def _named_plugins(overrides: Sequence[str], own: Path | None) -> tuple[str, ...]:
    """The modules that `plugins` names: on the command line, else in the user's config.yaml.

    They are needed before Hydra composes, since they may add config files. Raises `ConfigError`.
    """
    given = [override.partition("=")[2] for override in overrides if re.match(r"\+{0,2}plugins=", override)]
    value: object = None
    try:
        if given:
            value = yaml.safe_load(given[-1])
        elif own and (own / f"{CONFIG_NAME}.yaml").is_file():
            tree = yaml.safe_load((own / f"{CONFIG_NAME}.yaml").read_text(encoding="utf-8"))
            value = tree.get("plugins") if isinstance(tree, Mapping) else None
    except refused() as error:
        raise ConfigError(f"plugins: expected a module's name or a list of them: {said_first(error)}") from error
    return tuple(map(str, value)) if isinstance(value, list) else (value,) if isinstance(value, str) else ()


def groups() -> dict[str, list[str]]:
    """The packaged config groups with their choices."""
    names = sorted(folder.name for folder in conf_dir().iterdir() if folder.is_dir() and folder.name != "role")
    found = {name: options(name, (conf_dir(),)) for name in (*names, "hydra/launcher")}
    return {name: options for name, options in found.items() if options}


def check(composed: Composed) -> RunConfig:
    """Resolve personas, roles, `auto` and paths of prompts, and validate. Raises `ConfigError`."""
    tree = inherit(_without_idle_judge(composed), frozenset(_sampling_asked_for(composed)))
    if tree.get("personas") is None:
        tree["personas"] = [] if tree.get("sample") else [DEFAULT_PERSONA]
    for name in ROLES:
        role = tree.get(name)
        if isinstance(role, dict) and isinstance(role.get("prompt"), str):
            role["prompt"] = _own_prompt(role["prompt"], composed.config_dirs)
    try:
        config = RunConfig.model_validate(tree)
    except UnfitSettings as error:
        raise ConfigError(*dict.fromkeys(_placed(key, why, composed) for key, why in error.mistakes)) from error
    except ValidationError as error:
        known = sorted(set(keys_of(_compose((), None).tree)))
        raise ConfigError(*of_validation(error, composed, known)) from error
    if lines := [*_unknown_names(config, composed), *contradictions(config)]:
        raise ConfigError(*lines)
    return config


def _without_idle_judge(composed: Composed) -> dict[str, Any]:
    """The tree without the settings of a judge, if none is chosen. Raises `ConfigError` if some were given."""
    tree = dict(composed.tree)
    if composed.choices.get(JUDGE) is None and JUDGE in tree:
        given = [
            override
            for override in composed.overrides
            if override.lstrip("+").startswith((f"{JUDGE}.", f"engine@{JUDGE}", f"model@{JUDGE}"))
        ]
        if given:
            raise ConfigError(f"command line: {given[0]}: set, but no judge is chosen; choose one, as judge=default")
        del tree[JUDGE]
    return tree


def _placed(key: str, why: str, composed: Composed) -> str:
    key = composed.written_key(key)
    return f"{composed.source(key)}: {key}: {why}"


def _sampling_asked_for(composed: Composed) -> Iterator[str]:
    """The roles whose model's sampling the user asked for, by choosing the model or by setting `inherit`."""
    chosen = composed.choices.get("model") != DEFAULT_MODEL
    named = any(override.startswith(("model=", "model.sampling.")) for override in composed.overrides)
    for name in (*ROLES, JUDGE):
        own = composed.choices.get(f"model@{name}.model", INHERIT) != INHERIT
        if chosen or named or own or any(o.startswith(f"{name}.model.sampling.") for o in composed.overrides):
            yield name


def _unknown_names(config: RunConfig, composed: Composed) -> Iterator[str]:
    """One line for each engine, context policy or tracker that nobody registered."""
    named: list[tuple[str, str, Registry[Any]]] = [("context.policy", config.context.policy, POLICIES)]
    named += [(composed.written_key(f"{role}.engine.kind"), of.engine.kind, ENGINES) for role, of in config.roles()]
    named += [("trackers", name, TRACKERS) for name in config.trackers]
    for key, name, registry in dict.fromkeys(named):
        known = registry.names()
        if name not in known:
            expected = f"one of {some_of(known, name)}" if known else "none: no plug-in brings one"
            yield f"{composed.source(key)}: {key}: expected {expected}, found {shortened(repr(name))}{did_you_mean(name, known)}"


def _own_prompt(prompt: str, dirs: Sequence[Path]) -> str:
    """The absolute path of a user's template; the name of one of the harness's, or of a missing one, is unchanged.

    The config folder comes before the harness's templates, so that a user can replace one on purpose; the working directory
    comes after them, so that no file replaces one by accident.
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
