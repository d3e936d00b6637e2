"""A tracker never costs a session or a run, whatever it does."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.config.plugins import TRACKERS
from harness.runs.tracking import Tracking, tracker
from harness.store.records import RunRecord, read_record
from harness.types import SessionResult
from tests.fixtures.processes import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "run_folders" / "v0.1" / "finished"


class Quiet:
    def started(self, run: RunRecord, folder: Path) -> None: ...

    def session(self, result: SessionResult) -> None: ...

    def finished(self, run: RunRecord, metrics: Mapping[str, Any] | None) -> None: ...


class LeavesAtOnce(Quiet):
    def __init__(self) -> None:
        sys.exit("not logged in")


class LeavesLater(Quiet):
    def started(self, run: RunRecord, folder: Path) -> None:
        sys.exit("not logged in")


class Takes(Quiet):
    def started(self, run: RunRecord, folder: Path) -> None:
        run.config.clear()


@pytest.fixture(params=[LeavesAtOnce, LeavesLater, Takes])
def made(request: pytest.FixtureRequest) -> Iterator[type]:
    tracker("mine")(request.param)
    yield request.param
    TRACKERS.forget("mine")


def test_it_can_neither_end_the_process_nor_change_the_record(made: type) -> None:
    said: list[str] = []
    record = read_record(FOLDER)
    before = record.model_copy(deep=True)
    tracking = Tracking(["mine"], said.append)
    tracking.started(record, FOLDER)
    tracking.finished(record, None)
    tracking.close()
    assert record == before
    assert said == ([] if made is Takes else ["tracker mine: SystemExit: not logged in; it is told nothing more"])
