"""From configs to finished run folders: check, start the engines, play, sum up.

Invariants:
- Whatever can be refused is refused before an engine starts, cheapest checks first.
- Runs given together that need the same engines are played as one batch on engines loaded once.
- The folders are whole at every moment; an interrupted run says how to go on.
"""

import asyncio
import os
import shlex
import signal
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.cast import Cast, Part
from harness.cli.progress import Display
from harness.config.schema import RunConfig
from harness.engines.base import Engine, EngineInfo
from harness.engines.concurrency import auto_concurrency
from harness.engines.pool import EnginePool
from harness.errors import HarnessError
from harness.personas.library import load as load_personas
from harness.personas.library import persona_hash
from harness.personas.schema import Persona
from harness.plan import plan
from harness.run import Run
from harness.runner import run_all
from harness.session import Session
from harness.store.identity import config_hash, refuse_changed
from harness.store.provenance import collect
from harness.store.records import RunRecord, RunStatus, Totals
from harness.store.resume import Progress
from harness.store.run_dir import RunDir, default_path
from harness.types import Failure, SessionResult, Speaker

INTERRUPTED = 130
