"""Every file in conf/ makes a valid configuration."""

import pytest

from harness.config.compose import groups, load
from harness.config.schema import RunConfig
from harness.engines.pool import engine_key
from harness.sweeps.expand import expand


@pytest.mark.parametrize("group", sorted(set(groups()) - {"experiment", "hydra"}))
def test_every_choice_of_every_group_is_valid(group: str) -> None:
    needs = {
        "patient=replay": ["patient.transcript=x.txt"],
        "engine=openai": ["engine.base_url=http://127.0.0.1:1/v1"],
        "model=remote": ["engine=openai", "engine.base_url=http://127.0.0.1:1/v1"],
    }
    for choice in groups()[group]:
        override = f"{group}={choice}"
        assert isinstance(load([override, *needs.get(override, [])]), RunConfig)


@pytest.mark.parametrize(
    ("experiment", "more", "count"),
    [
        ("context-policies", [], 3),
        ("therapists", [], 9),
        ("temperature", ["seed=0"], 4),
        ("lora", ["therapist.model.adapter=a,b,null"], 3),
        ("fit-check", ["therapist=act", "context=hybrid"], 3),
    ],
)
def test_worked_examples_are_sweeps_that_the_command_line_can_change(
    experiment: str, more: list[str], count: int
) -> None:
    points = expand([f"experiment={experiment}", *more], None)
    assert len({p.config_hash for p in points}) == count
    assert {p.config.run.name for p in points} == {experiment}


def test_the_checkpoints_of_the_lora_example_share_one_engine() -> None:
    points = expand(["experiment=lora", "therapist.model.adapter=a,b,null"], None)
    assert len({engine_key(role) for p in points for _, role in p.config.roles()}) == 1
