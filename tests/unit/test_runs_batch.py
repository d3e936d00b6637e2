"""What a batch keeps on disk when the process ends at once."""

from pathlib import Path
from typing import Any

import pytest

from harness.errors import EngineUnavailable, HarnessError
from harness.runs.batch import Batch, Outcome, play_batch
from harness.runs.prepare import CheckedRun
from harness.runs.reporter import Silent


class Follower:
    """Notes that it was told of the end."""

    def __init__(self) -> None:
        self.told = False
        self.ends = 0

    def opened(self, run: CheckedRun, path: Path) -> None: ...

    def playing(self, run: CheckedRun, path: Path) -> None: ...

    def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
        self.ends += 1
        return False

    def abandoned(self) -> None:
        self.told = True


class Folder:
    """A folder that notes when it is closed; `meanwhile` is what another thread does at that moment."""

    def __init__(self, meanwhile: Any = None) -> None:
        self.folder = self
        self.closed = False
        self._meanwhile = meanwhile

    def close(self) -> None:
        self.closed = True
        if self._meanwhile is not None:
            self._meanwhile()


def test_a_run_that_ends_meanwhile_keeps_no_other_from_the_disk() -> None:
    follower = Follower()
    batch = Batch([], Silent(), follower, None)
    opened: dict[Any, Any] = batch._open
    second = Folder()
    opened["first"] = Folder(lambda: opened.pop("first"))
    opened["second"] = second
    batch.abandon()
    assert second.closed
    assert follower.told


def test_an_error_that_stops_all_runs_is_told_of_each_even_if_the_first_ends_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop is closed by then: there is nothing left to halt, and the other folders still have to be closed."""

    async def gone(batch: Batch) -> None:
        opened: dict[Any, Any] = batch._open
        opened.update(first=None, second=None)
        raise EngineUnavailable("gone")

    def stopped(batch: Batch, run: Any, error: BaseException | None) -> HarnessError:
        del batch._open[run]
        assert isinstance(error, HarnessError)
        return error

    monkeypatch.setattr(Batch, "_play", gone)
    monkeypatch.setattr(Batch, "_stopped", stopped)
    follower = Follower()
    with pytest.raises(EngineUnavailable, match="gone"):
        play_batch([], Silent(), follower, signals=())
    assert follower.ends == 2
