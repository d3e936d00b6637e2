"""Trackers are told everything in order; whatever one does, it never costs a session or a run."""

import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.config.plugins import TRACKERS
from harness.runs import tracking
from harness.runs.tracking import Tracking, tracker
from harness.store.records import RunRecord, read_record
from harness.types import SessionResult
from tests.fixtures.processes import ROOT
from tests.store_samples import record


class Noting:
    """Notes what it is told; waits for `go` first."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.go = threading.Event()

    def started(self, run: Any, folder: Path) -> None:
        self.go.wait(10)
        self.told.append("started")

    def session(self, result: Any) -> None:
        self.told.append(result)

    def finished(self, run: Any, metrics: Any) -> None:
        self.told.append("finished")


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> Noting:
    one = Noting()
    monkeypatch.setattr(TRACKERS, "get", lambda name: lambda: one)
    return one


def follow(tracked: Tracking, sessions: int) -> None:
    tracked.started(record(), Path())
    for number in range(sessions):
        tracked.session(number)  # type: ignore[arg-type]
    tracked.finished(None, None)  # type: ignore[arg-type]


def test_a_tracker_is_told_all_in_order_before_the_run_ends(noting: Noting) -> None:
    said: list[str] = []
    tracked = Tracking(["noting"], said.append)
    noting.go.set()
    follow(tracked, 50)
    tracked.close()
    assert noting.told == ["started", *range(50), "finished"]
    assert said == []


def test_what_a_slow_one_was_not_told_is_said(noting: Noting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "WAITING", 5)
    said: list[str] = []
    tracked = Tracking(["noting"], said.append)
    follow(tracked, 50)
    noting.go.set()
    tracked.close()
    assert 5 <= len(noting.told) <= 8
    assert said == [f"trackers: {52 - len(noting.told)} events were left out, since the tracker was too slow"]


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
    run = read_record(FOLDER)
    before = run.model_copy(deep=True)
    told = Tracking(["mine"], said.append)
    told.started(run, FOLDER)
    told.finished(run, None)
    told.close()
    assert run == before
    assert said == ([] if made is Takes else ["tracker mine: SystemExit: not logged in; it is told nothing more"])
