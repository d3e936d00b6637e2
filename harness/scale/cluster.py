"""The Ray cluster that replicas run in: reached or started, and how many replicas it holds.

Invariant: what the cluster can't hold is refused before anything is loaded in it.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from harness.config.schema import ExecutorConfig, RoleConfig
from harness.engines.pool import resolve_kind
from harness.errors import ConfigError, EngineError
from harness.interrupts import STOPPING, handlers_kept

_OBJECT_STORE = 200 * 2**20
"""Bytes for objects in flight in a cluster that we start: nothing but sessions goes through it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How replicas are laid out in a cluster."""

    replicas: int
    nodes: int
    gpus: int
    """GPUs of one replica."""
    threads: int
    """CPU threads for the computing libraries of one replica."""

    def __str__(self) -> str:
        gpus = f" of {self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else ""
        nodes = f" on {self.nodes} node{'s' if self.nodes > 1 else ''}"
        return f"{self.replicas} replica{'s' if self.replicas > 1 else ''}{gpus}{nodes}"


def check_ray() -> None:
    """Raise `ConfigError` where Ray isn't installed."""
    if find_spec("ray") is None:
        raise ConfigError("executor=ray: Ray is not installed; pip install 'therapist-harness[ray]', or executor=local")


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be in a Ray cluster: the one that this process is in already, the one at `address`, or one of our own.

    Raises `EngineError` where it can't be reached or started.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    try:
        with handlers_kept(STOPPING):  # Ray takes SIGTERM, which saves a run
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **(own if address == "local" else {}),
            )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        remedy = "is the cluster running, with the same versions of Ray and Python?"
        raise EngineError(f"executor.address: {address}: no Ray cluster: {reason}; {remedy}") from error
    try:
        yield
    finally:
        ray.shutdown()


def lay_out(executor: ExecutorConfig, roles: Sequence[RoleConfig]) -> Layout:
    """Replicas for the connected cluster: the number asked for, or as many as it holds.

    Raises `ConfigError` where it can't hold one.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = gpus_of(roles) if any(node.get("GPU") for node in nodes) else 0
    room = places(nodes, gpus)
    if not room:
        found = ", ".join(f"{node.get('GPU', 0):g}" for node in nodes)
        raise ConfigError(
            f"executor=ray: a replica needs {gpus} GPUs on one node (tensor_parallel_size x pipeline_parallel_size), "
            f"the cluster's nodes have {found}"
        )
    asked = room if executor.replicas == "auto" else executor.replicas
    count = min(asked, room) if gpus else asked
    cores = int(min(node.get("CPU", 1) for node in nodes))
    return Layout(count, len(nodes), gpus, max(1, cores // -(-count // len(nodes))))


def places(nodes: Sequence[Mapping[str, float]], gpus: int) -> int:
    """How many replicas of `gpus` GPUs fit on nodes with these resources; one a node where they need none."""
    return sum(int(node.get("GPU", 0)) // gpus for node in nodes) if gpus else len(nodes)


def gpus_of(roles: Sequence[RoleConfig]) -> int:
    """GPUs that the engines of one replica need; engines of several roles share them."""
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
