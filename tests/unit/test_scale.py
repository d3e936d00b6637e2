"""How many replicas a cluster holds, and what is refused before anything starts."""

from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.config.compose import load
from harness.config.schema import RoleConfig
from harness.errors import ConfigError
from harness.scale.cluster import Layout, gpus_of, places


def roles(*overrides: str) -> list[RoleConfig]:
    config = load(overrides)
    return [config.patient, config.therapist]


@pytest.mark.parametrize(
    ("overrides", "gpus"),
    [
        (("engine=dry",), 0),
        (("engine=transformers",), 1),
        (("engine=vllm",), 1),
        (("engine=vllm", "engine.args.tensor_parallel_size=4"), 4),
        (("engine=vllm", "engine.args.tensor_parallel_size=4", "engine.args.pipeline_parallel_size=2"), 8),
        (("engine=vllm", "therapist.engine.args.tensor_parallel_size=2", "patient.engine=dry"), 2),
    ],
)
def test_a_replica_needs_the_gpus_of_its_largest_engine(overrides: tuple[str, ...], gpus: int) -> None:
    assert gpus_of(roles(*overrides)) == gpus


@pytest.mark.parametrize(
    ("nodes", "gpus", "room"),
    [([8, 8], 1, 16), ([8, 8], 4, 4), ([8, 3], 4, 2), ([2, 2], 4, 0), ([0, 8], 8, 1), ([0, 0, 0], 0, 3)],
)
def test_a_replica_fits_on_one_node(nodes: list[int], gpus: int, room: int) -> None:
    resources: list[dict[str, Any]] = [{"CPU": 8, "GPU": count} if count else {"CPU": 8} for count in nodes]
    assert places(resources, gpus) == room


def test_a_layout_is_told_in_words() -> None:
    assert str(Layout(1, 1, 0, 2)) == "1 replica on 1 node"
    assert str(Layout(4, 2, 8, 2)) == "4 replicas of 8 GPUs on 2 nodes"


def test_settings_that_would_be_ignored_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load(["executor.replicas=2", "executor.address=auto"])
    assert [line.partition(":")[0] for line in caught.value.lines] == ["executor.replicas", "executor.address"]


def test_without_ray_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.scale.cluster.find_spec", lambda name: None)
    assert main(["run", "executor=ray", "engine=dry", f"run.dir={tmp_path / 'run'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "executor=ray" in line
    assert "therapist-harness[ray]" in line
    assert not (tmp_path / "run").exists()
