"""LoRA adapters of a vLLM engine: named by the hash of their files, and checked to have an effect.

Invariants:
- Two folders with the same files are one adapter. Two with different files never share a name, because vLLM
  keys its cached prefixes by the adapter's name.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigError, EngineError, RequestRejected
from harness.models.adapter import read_adapter
from harness.reading.files import opened, read_bytes

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that vLLM supports; an adapter's rank is rounded up to one of them."""

_SAME = 1e-4
"""Log-probabilities that differ by less are taken as equal."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter folder."""

    path: Path
    name: str
    """Hash of its config and weights."""
    number: int
    """Unique within its engine, from 1."""
    rank: int

    def lora(self) -> "LoRARequest":
        from vllm.lora.request import LoRARequest

        return LoRARequest(lora_name=self.name, lora_int_id=self.number, lora_path=str(self.path))

    def check(self, base: Mapping[int, float], adapted: Mapping[int, float]) -> None:
        """Compare log-probabilities of first tokens. Raises `EngineError` if the adapter changes nothing."""
        if base.keys() == adapted.keys() and all(abs(base[token] - adapted[token]) < _SAME for token in base):
            raise EngineError(
                f"the LoRA adapter {self.path} changes nothing: with it and without it the model gives the same "
                "probabilities; check that its weights are trained and that it was made for this base model"
            )


class Adapters:
    """The adapters that requests to one engine may name, by folder."""

    def __init__(self, adapters: Mapping[Path, Adapter]) -> None:
        self._by_path = dict(adapters)

    @classmethod
    def load(cls, folders: tuple[Path, ...]) -> "Adapters":
        """Read and hash the folders. Raises `ConfigError` for one that is not an adapter."""
        by_path: dict[Path, Adapter] = {}
        by_name: dict[str, Adapter] = {}
        for folder in folders:
            path = folder.expanduser().resolve()
            name, rank = _fingerprint(path)
            adapter = by_name.setdefault(name, Adapter(path, name, len(by_name) + 1, rank))
            by_path[path] = adapter
        return cls(by_path)

    @property
    def rank(self) -> int:
        """The smallest of vLLM's ranks that fits all adapters. Raises `ConfigError` if there is none."""
        needed = max(adapter.rank for adapter in self)
        for rank in _RANKS:
            if rank >= needed:
                return rank
        raise ConfigError(f"model.adapter: found rank {needed}, expected at most {_RANKS[-1]}, the most vLLM offers")

    def __iter__(self) -> Iterator[Adapter]:
        return iter({adapter.name: adapter for adapter in self._by_path.values()}.values())

    def __len__(self) -> int:
        return len({adapter.name for adapter in self._by_path.values()})

    def request(self, folder: str | None) -> "LoRARequest | None":
        """vLLM's form of a request's adapter. Raises `RequestRejected` if the engine was not started with it."""
        if folder is None:
            return None
        adapter = self._by_path.get(Path(folder).expanduser().resolve())
        if adapter is None:
            raise RequestRejected(f"the engine was not started with the adapter {folder}")
        return adapter.lora()


def _fingerprint(path: Path) -> tuple[str, int]:
    files = read_adapter(path)
    digest = hashlib.sha256(read_bytes(files.config))
    with opened(files.weights) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"lora-{digest.hexdigest()[:16]}", files.rank
