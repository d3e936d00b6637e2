"""What a batch keeps on disk when the process ends at once."""

from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.runs.batch import Batch, Outcome
from harness.runs.prepare import CheckedRun
from harness.runs.reporter import Silent


class Follower:
    """Notes that it was told of the end."""

    def __init__(self) -> None:
        self.told = False

    def opened(self, run: CheckedRun, path: Path) -> None: ...

    def playing(self, run: CheckedRun, path: Path) -> None: ...

    def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
        return True

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
