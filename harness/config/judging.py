"""The settings of judging: which rubrics, which judge, how often."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from harness.config.auto import resolve_kind
from harness.config.compose import Composed, compose, filled, lines
from harness.config.schema import Positive, RoleConfig, Settings
from harness.errors import ConfigError

ROOT = "judging"


class PriceConfig(Settings):
    """US dollars per million tokens."""

    prompt: float | None = Field(None, ge=0)
    cached: float | None = Field(None, ge=0)
    """Of prompt tokens that the server had already; null takes the price of others."""
    completion: float | None = Field(None, ge=0)


class JudgeConfig(RoleConfig):
    """The third role: its model, engine and sampling."""

    name: str | None = None  # type: ignore[assignment]
    price: PriceConfig = PriceConfig()


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class JudgingConfig(Settings):
    """Everything that decides what a judging run does."""

    judge: JudgeConfig
    rubric: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
    rubric_dir: Path | None = None
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    orders: Literal[1, 2] = 1
    controls: Annotated[int, Field(ge=0, le=100)] = 6
    courses: bool = True
    concurrency: Literal["auto"] | Positive = "auto"


def load(overrides: Sequence[str], config_dir: Path | None = None) -> JudgingConfig:
    """Compose and check the settings of a judging run. Raises `ConfigError` with one line a mistake."""
    composed = compose([_listed_rubrics(override) for override in overrides], config_dir, ROOT)
    return check(composed, judging_tree(composed.tree))


def judging_tree(tree: Any) -> dict[str, Any]:
    """The composed settings with what the judge leaves at null taken from its model, and `auto` decided."""
    role = dict(tree["judge"])
    model, engine = dict(role["model"]), dict(role["engine"])
    sampling = filled(model.pop("sampling", None), role.get("sampling"))
    if engine.get("kind") == "auto":
        engine |= {"kind": resolve_kind("auto"), "chosen_by_auto": True}
    return {**tree, "judge": {**role, "model": model, "engine": engine, "sampling": sampling}}


def check(composed: Composed, tree: dict[str, Any]) -> JudgingConfig:
    """Validate. Raises `ConfigError`."""
    try:
        config = JudgingConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(*lines(error, composed)) from error
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
