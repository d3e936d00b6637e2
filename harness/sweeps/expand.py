"""Expands the overrides of a sweep to its points, and composes and checks each of them.

Invariant: all mistakes in all points are reported before a model loads, in one line per mistake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.compose import (
    as_written,
    check,
    compose,
    deleted_in_vain,
    hydra_override,
    own_dir,
    refuse_credentials,
    refused,
)
from harness.config.effect import without_effect
from harness.config.initialized import initialized
from harness.config.messages import CONFIG_NAME, said_first, shortened
from harness.config.schema import RunConfig
from harness.errors import ConfigError, HarnessError
from harness.runs.prepare import experiment
from harness.runs.resources import SharedResources
from harness.store.identity import config_hash

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

NO_FOLDER = "."
"""The value of `hydra.sweep.dir` if it is not set."""
_UNUSED = (
    *("hydra.run.", "hydra.sweep.", "hydra.output_subdir", "hydra.verbose", "hydra.mode", "hydra.help", "hydra.env"),
    *("hydra.job_logging", "hydra.hydra_logging", "hydra.hydra_help", "hydra/job_logging", "hydra/hydra_logging"),
    *("hydra/output", "hydra/help", "hydra/hydra_help", "hydra.callbacks", "hydra/callbacks"),
)
FOLDER_LENGTH = 12
"""Number of characters of the config's hash in the name of a run folder."""


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of a sweep's settings."""

    overrides: tuple[str, ...]
    config: RunConfig
    config_hash: str
    content_hashes: Mapping[str, str] | None = None
    """The content hashes that `config_hash` covers; None if it covers only the settings."""

    @property
    def folder(self) -> str:
        """Name of its run folder."""
        return self.config_hash[:FOLDER_LENGTH]


def expand(overrides: Sequence[str], config_dir: Path | None) -> list[Point]:
    """The points of a sweep, in Hydra's order, including points with the same settings.

    Commas and ranges in `overrides` make points, and so does `hydra.sweeper.params` in a config file. Raises `ConfigError`
    with a line for every mistake, which names the point unless all points have it.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    refuse_credentials(overrides)
    asked = _parsed(list(map(sweep_override, overrides)))
    params, problem = _params([override for override in asked if not override.is_sweep_override()], config_dir)
    task = [*_parsed(params), *(override for override in asked if not _is_hydras(override))]
    _refuse_unlisted(task)
    try:
        (combinations,) = BasicSweeper.split_arguments(task, None)
    except refused() as error:
        raise ConfigError(f"command line: {said_first(error)}") from error
    points = check_points([tuple(combination) for combination in combinations], config_dir)
    if problem is not None:
        raise problem
    if idle := _idle_everywhere(points, config_dir):
        raise ConfigError(*idle)
    return points


def sweep_override(override: str) -> str:
    """An override of a sweep's command in the harness's form: `hydra.sweep.dir` becomes `run.dir`.

    Raises `ConfigError` for settings of Hydra that a sweep of the harness does not use.
    """
    key, _, value = override.lstrip("+").partition("=")
    if key == "hydra.sweep.dir":
        return f"run.dir={value}"
    if key.startswith(_UNUSED):
        raise ConfigError(f"command line: {key}: set, but a sweep of the harness does not use it; remove it")
    return hydra_override(override)


def quoted(path: str) -> str:
    """A path as a value of Hydra's grammar."""
    text = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def check_points(combinations: Sequence[tuple[str, ...]], config_dir: Path | None) -> list[Point]:
    """Compose and check every combination of overrides. Raises as `expand`."""
    points: list[Point] = []
    mistakes: dict[str, list[tuple[str, ...]]] = {}
    for combination in combinations:
        try:
            config = check(compose(combination, config_dir))
        except ConfigError as error:
            for line in error.lines:
                mistakes.setdefault(line, []).append(combination)
        else:
            points.append(Point(combination, config, config_hash(config.model_dump(mode="json"))))
    if mistakes:
        raise ConfigError(*(named(line, where, combinations) for line, where in mistakes.items()))
    return points


def _idle_everywhere(points: Sequence[Point], config_dir: Path | None) -> list[str]:
    """A line for each given setting without effect in any point; in a grid, a setting may be for some points only."""
    idle = [
        without_effect(point.config, point.overrides) | deleted_in_vain(point.config, point.overrides, config_dir)
        for point in points
    ]
    keys = set.intersection(*(set(found) for found in idle)) if idle else set()
    return [as_written(idle[0][key]) for key in sorted(keys)]


def with_content(points: Sequence[Point]) -> list[Point]:
    """The points with hashes that cover the content of the files that they name.

    If a file can't be found, a point keeps the hash of its settings; the error is reported when the point is played, and
    does not affect the others.
    """
    stock, found = SharedResources(), []
    for point in points:
        try:
            digest, contents = experiment(point.config, stock)
        except HarnessError:
            found.append(point)
        else:
            found.append(replace(point, config_hash=digest, content_hashes=contents))
    return found


def named(line: str, where: Sequence[tuple[str, ...]], combinations: Sequence[tuple[str, ...]]) -> str:
    """The line of a mistake, with the first point that has it unless all have it."""
    if len(where) == len(combinations):
        return line
    common = set.intersection(*map(set, combinations))
    label = " ".join(override for override in where[0] if override not in common)
    more = f" (and {len(where) - 1} more)" if len(where) > 1 else ""
    return f"point {label}{more}: {line}"


def _parsed(overrides: Sequence[str]) -> list["Override"]:
    """Overrides parsed by Hydra's grammar. Raises `ConfigError` with a line for each invalid one."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser, parsed, lines = OverridesParser.create(), [], []
    for override in overrides:
        try:
            parsed.append(parser.parse_override(override))
        except refused():
            lines.append(f"command line: {shortened(override)!r} is not a setting; expected KEY=VALUE[,VALUE...]")
    if lines:
        raise ConfigError(*lines)
    return parsed


def is_sweep_override(override: str) -> bool:
    """Whether an override gives several values. Raises `ConfigError`."""
    return bool(_parsed([override])[0].is_sweep_override())


def _refuse_unlisted(overrides: Sequence["Override"]) -> None:
    """Raise `ConfigError` for sweeps of Hydra's grammar that do not list their values: `glob` and `interval`."""
    from hydra.core.override_parser.types import Glob, IntervalSweep

    if lines := [
        f"command line: {shortened(override.input_line or '')}: names no values; list them with commas, choice(...) or range(...)"
        for override in overrides
        if isinstance(override.value(), Glob | IntervalSweep)
    ]:
        raise ConfigError(*lines)


def _is_hydras(override: "Override") -> bool:
    """Whether a setting is Hydra's own, such as the launcher, and so the same for all points."""
    return override.key_or_group.startswith(("hydra.", "hydra/"))


def _params(fixed: Sequence["Override"], config_dir: Path | None) -> tuple[list[str], ConfigError | None]:
    """`hydra.sweeper.params` of the chosen config files, as overrides; and the error if they can't be composed.

    Composing the points gives better messages for mistakes.
    """
    try:
        _, config = composed_for_sweep([override.input_line or "" for override in fixed], config_dir)
    except ConfigError as error:
        return [], error
    sweeper, folder = config.hydra.sweeper, str(config.hydra.sweep.dir)
    if not str(sweeper.get("_target_")).endswith(".BasicSweeper"):
        found = sweeper.get("_target_")
        raise ConfigError(f"hydra/sweeper: found {found}, expected basic: all points are checked before one is played")
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    return ([f"run.dir={quoted(folder)}"] if folder != NO_FOLDER else []) + params, None


def composed_for_sweep(overrides: Sequence[str], config_dir: Path | None) -> tuple["Hydra", "DictConfig"]:
    """Hydra in multirun mode, and the config for its launcher, from which the points vary.

    Raises `ConfigError`.
    """
    from hydra.types import RunMode

    with initialized(own_dir(config_dir)) as hydra:
        try:
            config = hydra.compose_config(CONFIG_NAME, list(overrides), RunMode.MULTIRUN, with_log_configuration=False)
        except refused() as error:
            raise ConfigError(f"command line: {said_first(error)}") from error
    return hydra, config
