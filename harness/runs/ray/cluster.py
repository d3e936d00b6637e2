"""The Ray cluster for replicas: connects to it or starts one, and decides how many replicas it holds.

Invariant: replicas that the cluster can't hold are refused before anything is loaded.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.config.auto import resolve_kind
from harness.config.schema import ExecutorConfig, RoleConfig
from harness.errors import ConfigError, EngineError, first_line
from harness.runs.interrupts import STOPPING, handlers_kept

_OBJECT_STORE = 200 * 2**20
"""Size in bytes of the object store in a cluster that we start; only sessions go through it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster."""

    id: str
    address: str
    cores: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The placement of replicas in a cluster."""

    nodes: tuple[Node, ...]
    """The node of each replica."""
    gpus: int
    """GPUs of one replica."""

    def threads(self, replica: int) -> int:
        """Number of CPU threads for the numeric libraries of a replica."""
        node = self.nodes[replica]
        return max(1, node.cores // self.nodes.count(node))

    def __str__(self) -> str:
        count, nodes = len(self.nodes), len(set(self.nodes))
        gpus = f" of {self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else ""
        return f"{count} replica{'s' if count > 1 else ''}{gpus} on {nodes} node{'s' if nodes > 1 else ''}"


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a Ray cluster: the one that this process is already in, the one at `address`, or a new one.

    Raises `EngineError` if it can't be reached or started.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    try:
        with handlers_kept(STOPPING):  # Ray replaces the handler of SIGTERM, which saves a run
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **(own if address == "local" else {}),
            )
    except (OSError, RuntimeError, ValueError) as error:
        reason = first_line(error)
        remedy = "is the cluster running, with the same versions of Ray and Python?"
        raise EngineError(f"executor.address: {address}: no Ray cluster: {reason}; {remedy}") from error
    try:
        yield
    finally:
        ray.shutdown()


def nodes() -> list[Node]:
    """The nodes of the connected cluster; the first one is this process's."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    alive = [node for node in ray.nodes() if node["Alive"]]
    alive.sort(key=lambda node: (node["NodeID"] != here, node["NodeManagerAddress"], node["NodeID"]))
    return [
        Node(
            node["NodeID"],
            node["NodeManagerAddress"],
            int(node["Resources"].get("CPU", 1)),
            int(node["Resources"].get("GPU", 0)),
        )
        for node in alive
    ]


def lay_out(executor: ExecutorConfig, roles: Sequence[RoleConfig], cluster: Sequence[Node]) -> Layout:
    """Place replicas in a cluster, on one node after the other: the configured number, or as many as fit.

    If engines need GPUs and the cluster has some, no more than fit on them. Raises `ConfigError` if none fits.
    """
    gpus = gpus_of(roles) if any(node.gpus for node in cluster) else 0
    if gpus:
        room = [node.gpus // gpus for node in cluster]
        if not any(room):
            found = ", ".join(str(node.gpus) for node in cluster)
            raise ConfigError(
                f"executor=ray: a replica needs {gpus} GPUs on one node (tensor_parallel_size x "
                f"pipeline_parallel_size), the cluster's nodes have {found}"
            )
        rounds = max(room)
        places = [node for turn in range(rounds) for node, most in zip(cluster, room, strict=True) if turn < most]
        return Layout(tuple(places[: None if executor.replicas == "auto" else executor.replicas]), gpus)
    count = len(cluster) if executor.replicas == "auto" else executor.replicas
    return Layout(tuple(cluster[number % len(cluster)] for number in range(count)), 0)


def gpus_of(roles: Sequence[RoleConfig]) -> int:
    """Number of GPUs for the engines of one replica, which roles share."""
    return max((_gpus(role) for role in roles), default=0)


def _gpus(role: RoleConfig) -> int:
    match resolve_kind(role.engine.kind):
        case "vllm":
            keys = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
            sizes = [int(role.engine.args.get(key, 1)) for key in keys]
            return sizes[0] * sizes[1] * sizes[2]
        case "transformers":
            return 1
        case _:
            return 0
