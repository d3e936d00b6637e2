"""Fixed policies for the gaming audit, built in and of a user: therapists that do not understand the patient.

A policy is a function of the exchange and of the patient's last turn.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from harness.errors import ConfigError
from harness.reading import strict_yaml
from harness.reading.files import read_bytes
from harness.reading.mistakes import lines_of
from harness.reading.yaml_shape import not_yaml, own_data

FILE = Path(__file__).with_name("policies.yaml")
MOST_BYTES = 2_000_000
MOST_LINES = 20
"""Maximum number of mistakes in one error."""
Line = Annotated[str, StringConstraints(max_length=8000, strip_whitespace=True)]
"""May be empty, since a silent therapist is a policy, too."""


class PolicySpec(BaseModel):
    """A policy in a file: lines in rotation, or the patient's turn repeated (`mirror`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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
    """A named policy."""

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
    """The built-in policies."""
    return policies_of(own_data(FILE), str(FILE))


def read_policies(path: Path) -> tuple[Policy, ...]:
    """A user's policies, from a JSON or YAML file that maps names to policies. Raises `ConfigError`."""
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; expected JSON or YAML text") from error
    try:
        data = json.loads(text, object_pairs_hook=_once) if path.suffix == ".json" else strict_yaml.load(text)
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply; expected a mapping from names to policies") from error
    except strict_yaml.REFUSED as error:
        if path.suffix == ".json":
            raise ConfigError(f"{path}: not valid JSON: {' '.join(str(error).split())[:160]}") from error
        raise ConfigError(f"{path}:{not_yaml(error)}") from error
    return policies_of(data, str(path))


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A dict of the pairs. Raises `ValueError` for a repeated key, which would be ignored otherwise."""
    counts = Counter(name for name, _ in pairs)
    if twice := sorted(name for name, times in counts.items() if times > 1):
        raise ValueError(f"{twice[0]!r} is given twice; expected every name once")
    return dict(pairs)


def policies_of(data: object, source: str) -> tuple[Policy, ...]:
    """The policies in data from `source`. Raises `ConfigError` with a line for each mistake."""
    if not isinstance(data, Mapping) or not data:
        raise ConfigError(f'{source}: expected a mapping from names to {{"lines": [...]}} or {{"mirror": true}}')
    found: list[Policy] = []
    lines: list[str] = []
    for name, spec in data.items():
        if not isinstance(name, str) or not name.strip():
            lines.append(f"{source}: {name!r}: expected a name, as text")
            continue
        try:
            # Through JSON, because strict validation accepts its lists for tuples.
            found.append(Policy(name, PolicySpec.model_validate_json(json.dumps(spec, default=str))))
        except ValidationError as error:
            lines += [f"{source}: {name}: {line}" for line in lines_of(error, PolicySpec, "lines, or mirror: true")]
    if lines:
        shown = lines[:MOST_LINES] + ([f"{source}: {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else [])
        raise ConfigError(*shown)
    return tuple(found)
