"""How many replicas a cluster holds, and what is refused before anything starts."""

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.config.compose import load
from harness.config.schema import ExecutorConfig, RoleConfig
from harness.errors import ConfigError
from harness.runs.ray.cluster import Layout, Node, gpus_of, lay_out


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


def laid_out(gpus: list[int], needed: int, replicas: int | None = None) -> list[int]:
    """How many replicas each node gets."""
    nodes = [Node(f"id-{number}", f"10.0.0.{number}", 8, count) for number, count in enumerate(gpus)]
    settings = (f"engine.args.tensor_parallel_size={needed}",) if needed else ()
    executor = ExecutorConfig(kind="ray", replicas=replicas or "auto")
    layout = lay_out(executor, roles("engine=vllm" if needed else "engine=dry", *settings), nodes)
    return [layout.nodes.count(node) for node in nodes]


@pytest.mark.parametrize(
    ("gpus", "needed", "replicas", "each"),
    [
        ([8, 8], 1, None, [8, 8]),
        ([8, 8], 4, None, [2, 2]),
        ([8, 3], 4, None, [2, 0]),
        ([8, 8], 4, 3, [2, 1]),
        ([8, 2], 2, 9, [4, 1]),  # no more than there is room for
        ([0, 0, 0], 0, None, [1, 1, 1]),
        ([0, 0], 1, 3, [2, 1]),  # vLLM on CPUs
        ([4, 4], 0, None, [1, 1]),
    ],
)
def test_replicas_go_where_their_gpus_are(gpus: list[int], needed: int, replicas: int | None, each: list[int]) -> None:
    assert laid_out(gpus, needed, replicas) == each


def test_a_cluster_that_cannot_hold_one_replica_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a replica needs 4 GPUs on one node .* the cluster's nodes have 2, 2"):
        laid_out([2, 2], 4)


def test_a_layout_is_told_in_words_and_shares_the_cores_of_a_node() -> None:
    one, two = Node("a", "10.0.0.1", 8, 8), Node("b", "10.0.0.2", 8, 8)
    assert str(Layout((one,), 0)) == "1 replica on 1 node"
    layout = Layout((one, two, one), 4)
    assert str(layout) == "3 replicas of 4 GPUs on 2 nodes"
    assert [layout.threads(number) for number in range(3)] == [4, 8, 4]


def test_settings_that_would_be_ignored_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load(["executor.replicas=2", "executor.address=auto"])
    assert [line.partition(":")[0] for line in caught.value.lines] == ["executor.replicas", "executor.address"]


def test_without_ray_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.config.auto.find_spec", lambda name: None)
    assert main(["run", "executor=ray", "engine=dry", f"run.dir={tmp_path / 'run'}"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert "executor=ray" in line
    assert "[ray]" in line
    assert not (tmp_path / "run").exists()
