"""Shards of replicas with anything in them or in their place: read, gone on with, repaired, or refused in a clear line."""

import asyncio
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import StorageError
from harness.store.journal import JOURNAL, SHARDS
from harness.store.records import RunStatus, read_record, read_sessions
from harness.store.repair import repair
from harness.store.resume import load_progress
from harness.store.run_dir import RunDir
from tests.fixtures.attacks import SPECIALS
from tests.property.test_store_damage import NASTY, outcome, put, spots
from tests.store_samples import metrics, record, spec, turn
from tests.unit.test_shards import ended, say, shard

FIRST, SECOND = spec(0), spec(1)
Damage = tuple[str, str, int, int, object, bytes]
FILES = (JOURNAL, f"{SHARDS}/replica-0.jsonl", f"{SHARDS}/replica-1.jsonl")


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session 0 moved from one replica to another and ended; session 1 is in progress."""
    folder = tmp_path_factory.mktemp("sharded") / "run"

    async def play() -> None:
        run = RunDir.create(folder, record(sessions=2))
        first, second = shard(run, "replica-0"), shard(run, "replica-1")
        run.hand_out(FIRST.session_id, "replica-0")
        first.start_session(FIRST)
        say(first, FIRST, range(3))
        await first.committed()
        run.close_shard("replica-0")
        run.hand_out(FIRST.session_id, "replica-1")
        say(second, FIRST, range(3, 6))
        second.finish_session(ended(FIRST, 6), metrics(FIRST))
        run.take_back(await second.taken(FIRST.session_id))
        run.hand_out(SECOND.session_id, "replica-1")
        second.start_session(SECOND)
        say(second, SECOND, range(4))
        first.close()
        second.close()
        run.close()

    asyncio.run(play())
    return folder


@pytest.fixture
def folder(sharded: Path, tmp_path: Path) -> Path:
    shutil.copytree(sharded, tmp_path / "run")
    return tmp_path / "run"


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def _turns(folder: Path, session_id: str) -> int:
    return len(load_progress(folder).in_progress[session_id].turns)


@pytest.mark.parametrize(("index", "left"), [(1, 1), (3, 3), (5, 5)])
def test_a_repair_of_a_shard_drops_what_is_broken_and_keeps_the_rest(folder: Path, index: int, left: int) -> None:
    """Whichever shard lost a line of session 0; session 1 is as it was, and one journal holds all."""
    path = folder / SHARDS / f"replica-{int(index >= 3)}.jsonl"
    lines = _lines(path)
    place = next(i for i, line in enumerate(lines) if b'"p-000"' in line and f'"index":{index}'.encode() in line)
    lines[place] = b'{"event":"tu\xff\n'
    path.write_bytes(b"".join(lines))
    damaged = path.read_bytes()
    with pytest.raises(StorageError, match=rf"{path.name}:{place + 1}: broken line.*harness repair"):
        RunDir.open(folder)
    said = repair(folder)
    assert any(f"dropped {path.name}:{place + 1}: broken line" in line for line in said)
    assert (folder / f"{SHARDS}.damaged" / path.name).read_bytes() == damaged
    assert not (folder / SHARDS).exists()
    assert read_record(folder).status is RunStatus.INTERRUPTED
    assert _turns(folder, "p-000") == left
    assert _turns(folder, "p-001") == 4
    assert not list(read_sessions(folder / "sessions.jsonl"))
    assert repair(folder) == []
    run_dir, progress = RunDir.open(folder)
    run_dir.close()
    assert [told.index for told in progress.in_progress["p-000"].turns] == list(range(left))


def test_a_shard_that_is_gone_costs_its_sessions_and_no_other(folder: Path) -> None:
    (folder / SHARDS / "replica-0.jsonl").unlink()
    with pytest.raises(StorageError):
        RunDir.open(folder)
    repair(folder)
    progress = load_progress(folder)
    assert "p-000" not in progress.finished
    assert progress.in_progress["p-001"].turns == [turn(SECOND, index) for index in range(4)]


@pytest.mark.parametrize("kind", SPECIALS)
@pytest.mark.parametrize("name", [*FILES[1:], SHARDS])
def test_what_is_no_shard_is_never_waited_for(folder: Path, name: str, kind: str) -> None:
    path = folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    SPECIALS[kind](path)
    for work in (lambda: load_progress(folder), lambda: RunDir.open(folder)[0].close(), lambda: repair(folder)):
        outcome(work)


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Which file, how, from where, how much, and what is put there."""
    return (
        draw(st.sampled_from(FILES)),
        draw(st.sampled_from(("value", "value", "bytes", "cut", "hole", "swap", "twice"))),
        draw(st.integers(0, 10_000)),
        draw(st.integers(1, 3000)),
        draw(st.sampled_from(NASTY)),
        draw(st.binary(max_size=50)),
    )


def _damaged(content: bytes, damage: Damage) -> bytes:
    _, kind, where, much, nasty, binary = damage
    lines = content.splitlines()
    start = where % len(content)
    match kind:
        case "value":
            number = where % len(lines)
            told = json.loads(lines[number])
            places = spots(told)
            put(told, places[much % len(places)], nasty)
            lines[number] = json.dumps(told, separators=(",", ":")).encode()
            return b"\n".join(lines) + b"\n"
        case "bytes":
            return content[:start] + binary + content[start + much :]
        case "cut":
            return content[:start]
        case "hole":
            return content[:start] + b"\0" * much + content[start + much :]
        case "swap":
            return b"\n".join(reversed(lines)) + b"\n"
    return content + content


@settings(max_examples=60, deadline=None)
@example((JOURNAL, "value", 3, 3, "x", b""))  # a session is handed to a shard that does not exist
@given(damages())
def test_damaged_shards_are_read_gone_on_with_repaired_or_refused(sharded: Path, damage: Damage) -> None:
    name = damage[0]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "a" / "run"
        shutil.copytree(sharded, folder)
        (folder / name).write_bytes(_damaged((folder / name).read_bytes(), damage))
        refused = outcome(lambda: RunDir.open(folder, retry_failed=True)[0].close())
        outcome(lambda: repair(folder))
        if refused is not None:
            again = outcome(lambda: RunDir.open(folder)[0].close())
            assert again is None, f"repaired, and still refused: {again} (before: {refused})"
        outside = {path.name for path in Path(temporary).rglob("*") if folder not in (path, *path.parents)}
        assert outside <= {"a"}
