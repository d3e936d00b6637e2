"""What a therapist may say in every exchange to talk patients round: fixed policies, ours and a user's.

A policy is a function of the exchange and of the patient's last turn; it understands nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from harness.errors import ConfigError
from harness.reading.files import read_bytes
from harness.reading.yaml_shape import own_data

FILE = Path(__file__).with_name("policies.yaml")
MOST_BYTES = 2_000_000
Line = Annotated[str, StringConstraints(min_length=1, max_length=8000, strip_whitespace=True)]


class PolicySpec(BaseModel):
    """A policy as a file has it: lines said in turn, or the patient's turn read back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: Annotated[tuple[Line, ...], Field(max_length=500)] = ()
    mirror: bool = False
    half: bool = False
    """With `mirror`: only the first half of the patient's turn."""
    prefix: Annotated[str, Field(max_length=2000)] = ""
    suffix: Annotated[str, Field(max_length=2000)] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> "PolicySpec":
        if self.mirror == bool(self.lines):
            raise ValueError("expected either lines, or mirror: true")
        if not self.mirror and (self.half or self.prefix or self.suffix):
            raise ValueError("half, prefix and suffix go with mirror: true")
        return self


@dataclass(frozen=True, slots=True)
class Policy:
    """What to say."""

    name: str
    spec: PolicySpec

    def say(self, exchange: int, heard: str) -> str:
        """The therapist's turn in 0-based `exchange`, which answers `heard`."""
        if not self.spec.mirror:
            return self.spec.lines[exchange % len(self.spec.lines)]
        words = heard.split()
        back = " ".join(words[: (len(words) + 1) // 2]) if self.spec.half else heard
        return f"{self.spec.prefix} {back} {self.spec.suffix}".strip()


def fixed_policies() -> tuple[Policy, ...]:
    """The policies that the harness brings along."""
    return policies_of(own_data(FILE), str(FILE))


def read_policies(path: Path) -> tuple[Policy, ...]:
    """A user's policies, from a JSON or YAML file that maps names to them. Raises `ConfigError`."""
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not valid JSON or YAML: {' '.join(str(error).split())[:200]}") from error
    return policies_of(data, str(path))


def policies_of(data: object, source: str) -> tuple[Policy, ...]:
    """Policies by name. Raises `ConfigError` with a line for each mistake."""
    if not isinstance(data, Mapping) or not data:
        raise ConfigError(f'{source}: expected a mapping from names to {{"lines": [...]}} or {{"mirror": true}}')
    found: list[Policy] = []
    lines: list[str] = []
    for name, spec in data.items():
        try:
            found.append(Policy(str(name), PolicySpec.model_validate(spec)))
        except ValidationError as error:
            lines += [f"{source}: {_key(name, e['loc'])}: {e['msg']}" for e in error.errors()]
    if lines:
        raise ConfigError(*lines)
    return tuple(found)


def _key(name: object, loc: Sequence[object]) -> str:
    return ".".join(map(str, [name, *loc]))
