"""The settings of judging: rubrics, judge and repeats."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from harness.config.compose import compose
from harness.config.inherit import resolved_role
from harness.config.messages import Composed, keys_of, of_validation
from harness.config.schema import JudgeConfig, JudgingSettings, Positive, WholeConfig
from harness.errors import ConfigError

ROOT = "judging"


class JudgingConfig(WholeConfig, JudgingSettings):
    """Everything that decides what `python -m harness judge` does."""

    judge: JudgeConfig
    concurrency: Literal["auto"] | Positive = "auto"
    """Most requests in flight."""


def load(overrides: Sequence[str], config_dir: Path | None = None) -> JudgingConfig:
    """Compose and check the settings of a judging run. Raises `ConfigError` with one line per mistake."""
    composed = compose([_listed_rubrics(override) for override in overrides], config_dir, ROOT)
    return check(composed, judging_tree(composed.tree))


def judging_tree(tree: Any) -> dict[str, Any]:
    """The composed settings, with the judge's null values taken from its model and `auto` resolved."""
    return {**tree, "judge": resolved_role("judge", tree["judge"], {}, {}, True)}


def check(composed: Composed, tree: dict[str, Any]) -> JudgingConfig:
    """Validate. Raises `ConfigError`."""
    try:
        config = JudgingConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(*of_validation(error, composed, sorted(set(keys_of(composed.tree))))) from error
    engine = config.judge.engine
    if engine.kind == "openai" and not engine.base_url:
        raise ConfigError(
            "judge.engine.base_url: no value; judge.engine=openai expects the server's address, as http://127.0.0.1:8000/v1"
        )
    if engine.kind != "openai" and engine.base_url:
        raise ConfigError(
            f"judge.engine.base_url: set, but judge.engine={engine.kind} uses no server; choose judge.engine=openai"
        )
    return config


def _listed_rubrics(override: str) -> str:
    """`rubric=a,b` is a list, not a sweep."""
    key, given, value = override.partition("=")
    if key == "rubric" and given and "," in value and not value.startswith("["):
        return f"rubric=[{value}]"
    return override
