"""One run, from its config to its finished folder: check, prepare, play, sum up.

Invariants:
- Whatever can be refused is refused before an engine starts, cheapest checks first.
- The folder is whole at every moment; an interrupted run says how to go on.
"""

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.cast import Cast
from harness.cli.progress import Display
from harness.config.schema import RunConfig
from harness.engines.pool import EnginePool
from harness.errors import ConfigError, HarnessError
from harness.personas.library import load as load_personas
from harness.personas.library import persona_dirs
from harness.personas.schema import Persona
from harness.plan import plan
from harness.report.html import write_report
from harness.runner import run_all
from harness.session import Session, Utterance
from harness.store.identity import config_hash, persona_hash, refuse_changed
from harness.store.provenance import collect
from harness.store.records import RunRecord, RunStatus
from harness.store.resume import Progress
from harness.store.run_dir import RunDir, default_path
from harness.types import Failure, SessionResult, SessionSpec

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    path: Path
    status: RunStatus
    failed: int

    @property
    def exit_code(self) -> int:
        if self.status is RunStatus.INTERRUPTED:
            return INTERRUPTED
        return 1 if self.failed else 0
