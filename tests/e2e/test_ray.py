"""One run on replicas in a local Ray cluster: whatever is lost on the way, it ends as a run in one process."""

import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from harness.store.journal import shard_names
from harness.store.records import read_record, read_sessions
from tests.fixtures.processes import comparable, finish, harness, start, wait_for_turns
from tests.store_samples import journalled

SESSIONS = 8
TURNS = 24


def words(folder: Path, small_model: Path, *settings: str) -> tuple[str, ...]:
    return (
        *("run", "engine=dry", f"model.path={small_model}", f"run.dir={folder}", "engine.max_model_len=1400"),
        *("personas=[two-cups,left-in-march]", "sessions_per_persona=4", f"max_exchanges={TURNS // 2}", "seed=3"),
        *("therapist.max_new_tokens=128", "patient.max_new_tokens=128", "context=hybrid", "context.note_tokens=96"),
        *settings,
    )


def on_ray(folder: Path, small_model: Path, replicas: int) -> tuple[str, ...]:
    ray = ("executor=ray", f"executor.replicas={replicas}", "concurrency=3", "engine.latency_s=0.12")
    return words(folder, small_model, *ray)


@pytest.fixture(scope="module")
def plain(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run in one process."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    done = harness(*words(folder, small_model))
    assert done.returncode == 0, done.stderr
    return folder


def assert_same(folder: Path, plain: Path) -> None:
    assert comparable(folder) == comparable(plain)
    assert (folder / "failures.jsonl").read_bytes() == b""
    assert read_record(folder).totals == read_record(plain).totals
    assert read_record(folder).config_hash == read_record(plain).config_hash
    said = [(e["session_id"], e["turn"]["index"]) for e in journalled(folder) if e["event"] == "turn"]
    assert len(set(said)) == len(said) == SESSIONS * TURNS, "a turn is missing or doubled"
    for page in (plain / "transcripts").iterdir():
        assert (folder / "transcripts" / page.name).read_bytes() == page.read_bytes()


def shards_by_session(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for event in journalled(folder):
        if event["event"] == "handed_out":
            found[event["session_id"]].append(event["shard"])
    return found


def replicas(folder: Path) -> list[int]:
    """Process ids of the replicas that were started last."""
    opened: list[dict[str, Any]] = [event for event in journalled(folder) if event["event"] == "shard_opened"]
    resumed = max((n for n, event in enumerate(journalled(folder)) if event["event"] == "resumed"), default=-1)
    late = [event for event in journalled(folder)[resumed + 1 :] if event["event"] == "shard_opened"]
    return [event["pid"] for event in (late if resumed >= 0 else opened)]


def kill_a_replica(folder: Path, process: subprocess.Popen[str], after: int) -> None:
    wait_for_turns(process, folder, after)
    os.kill(replicas(folder)[-1], signal.SIGKILL)


def test_a_killed_replica_costs_nothing_but_turns_in_flight(small_model: Path, plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(*on_ray(folder, small_model, 2))
    kill_a_replica(folder, process, after=40)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    assert "replica 1 on " in done.stderr
    assert "is lost: " in done.stderr
    assert shard_names(folder) == ["replica-0", "replica-1"]
    moved = [name for name, shards in shards_by_session(folder).items() if shards == ["replica-1", "replica-0"]]
    assert len(moved) == 3, "the killed replica had three sessions in flight"
    assert_same(folder, plain)
    last = harness("show", str(folder), moved[0], "--turn", str(TURNS - 1), "--json")
    assert last.returncode == 0, last.stderr


def test_interrupted_and_killed_in_every_way_it_resumes_to_the_same(
    small_model: Path, plain: Path, tmp_path: Path
) -> None:
    folder, resume = tmp_path / "run", ("resume", str(tmp_path / "run"))
    process = start(*on_ray(folder, small_model, 1))
    kill_a_replica(folder, process, after=10)  # the only one
    done = finish(process)
    assert done.returncode == 3, done.stderr
    assert "no replica is left" in done.stderr
    assert f"go on with: python -m harness resume {folder}" in done.stderr

    process = start(*resume)
    wait_for_turns(process, folder, 40)
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    totals = read_record(folder).totals
    assert totals.turns == sum(event["event"] == "turn" for event in journalled(folder)) >= 40

    process = start(*resume)
    wait_for_turns(process, folder, 80)
    process.kill()
    finish(process)
    done = harness(*resume)
    assert done.returncode == 0, done.stderr
    assert_same(folder, plain)


def test_replicas_have_the_plugins_too(small_model: Path, tmp_path: Path) -> None:
    plugin = (
        "plugins=[tests.fixtures.plugin.example_plugin]",
        "therapist.engine=echo",
        "executor=ray",
        "personas=two-cups",
    )
    folder = tmp_path / "run"
    done = harness(*words(folder, small_model, *plugin, "sessions_per_persona=1", "max_exchanges=1", "min_exchanges=0"))
    assert done.returncode == 0, done.stderr
    (session,) = read_sessions(folder / "sessions.jsonl")
    assert session.turns[1].text.startswith("You said")
    assert "sorry" in session.metrics["therapist"]


def test_replicas_run_real_models(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = harness(
        *("run", "engine=transformers", f"model.path={small_model}", f"run.dir={folder}", "course.sessions=2"),
        *("executor=ray", "executor.replicas=2", "personas=[two-cups,left-in-march]", "max_exchanges=1"),
        *("therapist.max_new_tokens=12", "patient.max_new_tokens=12", "course.note=digest"),
        timeout_s=400,
    )
    assert done.returncode == 0, done.stderr
    sessions = comparable(folder)
    assert len(sessions) == 4
    for session in sessions.values():
        assert len(session["turns"]) == 2
        assert all(turn["text"] and 0 < turn["completion_tokens"] <= 12 for turn in session["turns"])
    assert read_record(folder).engines["therapist"].kind == "transformers"
    assert {shard for shards in shards_by_session(folder).values() for shard in shards} == {"replica-0", "replica-1"}
