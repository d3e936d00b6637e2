"""One export: its options and what it wrote. `exporter` registers a format."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from harness.config.plugins import EXPORTERS
from harness.errors import ConfigError
from harness.exports.prompts import Prompts, prompts_of
from harness.exports.rows import Counts, Wanted
from harness.exports.runs import ExportedRun
from harness.exports.split import Split
from harness.exports.where import Where
from harness.store.played import Played


@dataclass(slots=True)
class Job:
    """The options of an export."""

    runs: Sequence[ExportedRun]
    out: Path
    wanted: Wanted = field(default_factory=Wanted)
    overrides: Sequence[str] = ()
    """Settings of a run, with which imported sessions are rendered."""
    split: Split | None = None
    by: Where | None = None
    """dpo: the value of a session; the larger one is better."""
    margin: float = 0.0
    label: Where | None = None
    """kto: whether a turn is good."""
    licence: str | None = None
    counts: Counts = field(default_factory=Counts)

    def sessions(self) -> Iterator[tuple[ExportedRun, Played]]:
        """All sessions of all runs."""
        for run in self.runs:
            for session in run.sessions():
                yield run, session

    def prompts(self, run: ExportedRun) -> Prompts:
        """The source of a run's prompts. Raises `ConfigError`."""
        return prompts_of(run, self.overrides)


@dataclass(slots=True)
class Written:
    """What an export wrote."""

    files: dict[str, int] = field(default_factory=dict)
    """Number of rows by file name."""
    unit: str = "rows"
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of rows, turns or sessions left out, by reason."""
    notes: list[str] = field(default_factory=list)


Exporter = Callable[[Job], Written]
F = TypeVar("F", bound=Exporter)
OPTIONS = ("split", "by", "margin", "label", "overrides", "side", "faults", "where")
"""Options that not every format takes."""


@dataclass(frozen=True, slots=True)
class Format:
    """A registered format."""

    write: Exporter
    takes: frozenset[str]
    """The options of `OPTIONS` that it uses; any other is refused."""


def exporter(name: str, *, takes: Sequence[str] = ()) -> Callable[[F], F]:
    """Register a function that writes a `Job` into its folder as a format of `python -m harness export`.

    `takes` names those of `OPTIONS` that it uses. Raises `ConfigError` for a name that is already registered.
    """

    def register(function: F) -> F:
        if unknown := set(takes) - set(OPTIONS):
            raise ConfigError(f"exporter {name!r}: takes {min(unknown)!r}; expected some of {', '.join(OPTIONS)}")
        EXPORTERS.add(name, Format(function, frozenset(takes)), function)
        return function

    return register


def record_of(job: Job) -> dict[str, Any]:
    """The options of an export, for the card."""
    return {
        "side": str(job.wanted.side),
        "faults_kept": sorted(map(str, job.wanted.faults)),
        "where": job.wanted.where.text if job.wanted.where else None,
        "split": job.split.text if job.split else None,
        "settings": list(job.overrides),
    }
