"""The folder of a LoRA adapter: its required files, checked before anything is loaded or written."""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError
from harness.models.files import read_object

CONFIG = "adapter_config.json"
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """The files of an adapter."""

    config: Path
    weights: Path
    rank: int


def read_adapter(folder: Path) -> AdapterFiles:
    """The files of an adapter's folder as PEFT saves it. Raises `ConfigError` for any other folder."""
    config = folder / CONFIG
    weights = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if weights is None or not config.is_file():
        raise ConfigError(f"model.adapter: found {folder}, expected a LoRA folder with {CONFIG} and {_WEIGHTS[0]}")
    rank = read_object(config, "model.adapter").get("r")
    if type(rank) is not int or rank < 1:
        raise ConfigError(f"{config}: r: found {rank!r}, expected the rank of the adapter, a positive number")
    return AdapterFiles(config, weights, rank)
