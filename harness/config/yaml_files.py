"""Checks the YAML files of a user's config folder before Hydra reads them."""

from pathlib import Path

import yaml

from harness.errors import ConfigError
from harness.reading.files import read_bytes
from harness.reading.yaml_shape import check_shape, not_yaml

MOST_BYTES = 1_000_000


def check_folder(folder: Path) -> None:
    """Check the files of a config folder that Hydra would read. Raises `ConfigError` with a line for each mistake."""
    lines = []
    for pattern in ("*.yaml", "*/*.yaml", "*/*/*.yaml"):
        for path in sorted(folder.glob(pattern)):
            try:
                check_shape(read_bytes(path, MOST_BYTES).decode("utf-8-sig"), aliases=True)
            except OSError as error:
                lines.append(f"{path}: can't be read: {error.strerror}")
            except UnicodeDecodeError as error:
                lines.append(f"{path}: expected UTF-8 text, found another encoding at byte {error.start}")
            except (yaml.YAMLError, ValueError, RecursionError) as error:
                lines.append(f"{path}:{not_yaml(error)}")
    if lines:
        raise ConfigError(*lines)
