"""Settings that are numbers: true and false are none, whatever the setting."""

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from harness.config.compose import load
from harness.config.judging import JudgingConfig
from harness.config.overrides import changed
from harness.config.schema import RunConfig
from harness.errors import ConfigError
from harness.judges.scripted import Dials


def _groups(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _groups(kind)


GROUPS = sorted({group for root in (RunConfig, JudgingConfig, Dials) for group in _groups(root)}, key=str)


def test_all_groups_of_settings_are_found() -> None:
    assert {"RunConfig", "GuardConfig", "SamplingConfig", "PriceConfig", "JudgingConfig", "Dials"} <= {
        group.__name__ for group in GROUPS
    }


def _numbers(group: type[BaseModel]) -> list[str]:
    """The settings of a group that take a number, and are not true or false."""
    kinds = {name: str(field.annotation) for name, field in group.model_fields.items()}
    return [
        name for name, kind in kinds.items() if "bool" not in kind and re.search(r"\bint\b|\bfloat\b|\[1, 2\]", kind)
    ]


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(("group", "name"), [(group, name) for group in GROUPS for name in _numbers(group)])
def test_no_number_is_true_or_false(group: type[BaseModel], name: str, value: bool) -> None:
    with pytest.raises(ValidationError) as caught:
        group.model_validate({name: value})
    assert "Input should be a number" in [item["msg"] for item in caught.value.errors() if item["loc"] == (name,)]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seed=true", "command line: seed: expected a number, found True"),
        ("personas.sample=false", "command line: personas.sample: expected a number, found False"),
        ("concurrency=true", "command line: concurrency: expected a number, found True"),
        ("therapist.sampling.temperature=true", "command line: therapist.sampling.temperature: expected a number"),
        ("engine.max_model_len=true", "command line: engine.max_model_len: expected a number, found True"),
        ("judging.orders=true", "command line: judging.orders: expected a number, found True"),
        ("guard.window=true", "command line: guard.window: expected a number, found True"),
    ],
)
def test_one_that_is_given_is_refused_in_one_line(override: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(["engine=dry", override])
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith(line)


def test_a_resumed_run_takes_none_either() -> None:
    with pytest.raises(ConfigError, match=r"concurrency: expected a number, found True"):
        changed(load(["engine=dry"]).model_dump(mode="json"), ["concurrency=true"])


def test_numbers_as_text_and_settings_that_are_true_or_false_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "7")
    config = load(
        ["engine=dry", "seed=${oc.env:SEED}", "therapist.session_plan=true", "guard.enabled=false", "guard.loop=off"]
    )
    assert (config.seed, config.therapist.session_plan, config.guard.enabled, config.guard.loop) == (
        7,
        True,
        False,
        "off",
    )
