"""Who holds a run folder: with the system's locks, without them, and where they let everybody in."""

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.store.holder import NAME as HOLDER
from harness.store.holder import Holder
from harness.store.lock import NAME, is_held, lock, only_one
from harness.store.run_dir import RunDir
from harness.sweeps.record import PointRecord, PointState, read_sweep, write_points
from tests.store_samples import record


def no_locks(fd: int, operation: int) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def lying(fd: int, operation: int) -> None:
    """Everybody is let in."""


@pytest.mark.parametrize("flock", [None, no_locks, lying])
def test_one_holder_at_a_time_on_every_file_system(
    flock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flock is not None:
        monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        held = lock(tmp_path)
        assert is_held(tmp_path)
        assert int((tmp_path / NAME).read_text()) == os.getpid()
        with pytest.raises(StorageError, match=f"process {os.getpid()} is writing to this run"):
            lock(tmp_path)
        held.release()
        held.release()
        assert not is_held(tmp_path)


def test_what_a_killed_process_left_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not where its process id was given to another process, and not a lock file copied from elsewhere."""
    monkeypatch.setattr(fcntl, "flock", no_locks)
    lock(tmp_path)  # never released
    (tmp_path / NAME).write_text("1\n")
    dead = Holder(2**22 + 1, Holder.current().host, 1)
    (tmp_path / f"{NAME}.soft").write_text(f"{dead.pid}\n{_soft_host()}\n")
    dead.write(tmp_path)
    assert not is_held(tmp_path)
    lock(tmp_path).release()
    Holder(os.getpid(), dead.host, 1).write(tmp_path)
    assert not is_held(tmp_path)


def _soft_host() -> str:
    """The machine's name as filelock writes it."""
    from filelock import SoftFileLock

    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"name-of-host-{os.getpid()}"
    with SoftFileLock(path):
        return path.read_text().splitlines()[1]


def test_a_holder_on_another_machine_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr("harness.store.lock._PATIENCE_S", 0.1)
    (tmp_path / NAME).write_text("7\n")
    (tmp_path / f"{NAME}.soft").write_text("7\nnode-12\n")
    (tmp_path / HOLDER).write_text(json.dumps({"pid": 7, "host": "node-12 x y", "started": 1}))
    assert is_held(tmp_path)
    with pytest.raises(StorageError, match=r"process 7 is writing .* no such process runs on node-12, remove .*\.soft"):
        lock(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"pid":-1,"host":"x","started":1}', b'{"pid":"x"}', b"\xff\x00" * 99]
)
def test_what_stands_for_a_holder_may_be_anything(content: bytes, tmp_path: Path) -> None:
    (tmp_path / HOLDER).write_bytes(content)
    assert Holder.read(tmp_path) is None
    assert not is_held(tmp_path)


def test_looking_never_takes_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunDir.create(tmp_path / "a", record()).close()
    write_points(
        tmp_path,
        [PointRecord(folder="a", config_hash="a", settings=(), overrides=())],
        overrides=(),
        config_dir=None,
        on_failure="continue",
    )
    taken: list[int] = []
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: taken.append(operation))
    assert read_sweep(tmp_path).points[0].state is PointState.INTERRUPTED
    assert taken == []
    with RunDir.open(tmp_path / "a")[0]:
        taken.clear()
        assert read_sweep(tmp_path).points[0].state is PointState.RUNNING
        assert taken == []


@pytest.mark.parametrize("flock", [None, no_locks, lying])
def test_a_shared_file_is_changed_by_one_at_a_time(
    flock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flock is not None:
        monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr("harness.store.lock._WRITE_S", 0.05)
    (tmp_path / "x.lock").write_text("left behind")
    for _ in range(2):
        with (
            only_one(tmp_path / "x.lock"),
            pytest.raises(StorageError, match="held by another process"),
            only_one(tmp_path / "x.lock"),
        ):
            pass


def test_a_lock_file_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NAME).symlink_to(tmp_path / "mine.txt")
    with pytest.raises(StorageError, match="can't write"):
        lock(tmp_path / "run")
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_a_folder_that_is_refused_gets_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StorageError, match="holds other files"):
        RunDir.create(tmp_path, record())
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]
