"""Killed at any moment and resumed, a run ends as if nothing had happened."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.engines.dry.phrases import sentences
from harness.errors import StorageError
from harness.runs.prepare import reopen
from harness.runs.resources import SharedResources
from harness.store.run_dir import RunDir
from tests.fixtures.loopback_server import LoopbackServer
from tests.fixtures.processes import comparable, harness, killed

KILLS = int(os.environ.get("HARNESS_TEST_KILLS", "4"))
"""For each of the runs below; scripts/bench/kills.py does fifty."""
PERSONAS = "personas=[skeptical-bullied-overwhelmed,left-in-march,two-cups]"


def dry(folder: Path, small_model: Path, policy: str) -> tuple[str, ...]:
    """Sessions that compact again and again, and in which the guard finds something."""
    return (
        *("run", "engine=dry", f"model.path={small_model}", f"run.dir={folder}", f"context={policy}", PERSONAS),
        *("sessions_per_persona=2", "max_exchanges=14", "engine.max_model_len=1400", "concurrency=4", "seed=5"),
        *("therapist.max_new_tokens=128", "patient.max_new_tokens=128", "patient.profile=off", "guard.mends=both"),
        *(("context.note_tokens=96",) if policy in ("summarize", "hybrid") else ()),
        *("guard.echo_share=0.05", "guard.repeat_share=0.25", "engine.latency_s=0.03"),
    )


def played_with_kills(folder: Path, words: tuple[str, ...]) -> None:
    """Play a run to its end over SIGKILLs at random moments."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"kills drawn from seed {seed}")  # shown where the test fails
    draw = random.Random(seed)
    resume = ("resume", str(folder))
    for _ in range(KILLS):
        if killed(folder, resume if (folder / "run.json").exists() else words, draw):
            break
    done = harness(*(resume if (folder / "run.json").exists() else words))
    assert done.returncode in (0, 1), done.stderr


@pytest.mark.parametrize("policy", ["truncate", "summarize", "hybrid", "none"])
def test_a_killed_run_ends_as_an_undisturbed_one(policy: str, small_model: Path, tmp_path: Path) -> None:
    plain, torn = tmp_path / "plain", tmp_path / "torn"
    done = harness(*dry(plain, small_model, policy), "engine.latency_s=0")
    assert done.returncode == (policy == "none"), done.stderr
    played_with_kills(torn, dry(torn, small_model, policy))
    expected = comparable(plain)
    assert comparable(torn) == expected
    assert comparable(torn, "failures.jsonl") == comparable(plain, "failures.jsonl")
    kinds = Counter(event["kind"] for session in expected.values() for event in session["events"])
    if policy == "none":
        assert not expected
        assert len(comparable(plain, "failures.jsonl")) == 6
    else:
        assert len(expected) == 6
        assert {"compaction", "retry", "nudge"} <= kinds.keys()
    assert {file.name for file in (torn / "transcripts").iterdir()} == {
        file.name for file in (plain / "transcripts").iterdir()
    }


class SeededServer(LoopbackServer):
    """Answers from the request's seed alone; patients end their sessions now and then."""

    def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        draw = random.Random(body["seed"])
        said = " ".join(draw.sample(sentences(), 3)) + (" [END]" if draw.random() < 0.1 else "")
        return super()._answer(body, said)


async def test_a_session_that_a_speaker_ended_stays_ended(small_model: Path, tmp_path: Path) -> None:
    plain, torn = tmp_path / "plain", tmp_path / "torn"
    async with SeededServer(latency_s=0.03, max_model_len=4096).running() as server:

        def words(folder: Path) -> tuple[str, ...]:
            return (
                *("run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={small_model}"),
                *(f"run.dir={folder}", PERSONAS, "sessions_per_persona=2", "max_exchanges=14", "concurrency=3"),
            )

        done = await asyncio.to_thread(harness, *words(plain))
        assert done.returncode == 0, done.stderr
        await asyncio.to_thread(played_with_kills, torn, words(torn))
    expected = comparable(plain)
    assert comparable(torn) == expected
    endings = Counter(session["stop_reason"] for session in expected.values())
    assert endings["patient_ended"]
    assert endings["therapist_ended"]


def test_a_run_that_cannot_be_opened_is_free_for_the_next_try(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook or a sweep the process goes on, and a lock that it kept would refuse every later resume."""
    folder = tmp_path / "run"
    assert harness("run", "engine=dry", f"model.path={small_model}", f"run.dir={folder}").returncode == 0
    run = reopen(folder, SharedResources(), retry_failed=False)
    update = RunDir.update

    def full(run_dir: RunDir, **changes: object) -> None:
        if changes:
            raise StorageError("no space left")
        update(run_dir)

    with monkeypatch.context() as patched:
        patched.setattr(RunDir, "update", full)
        with pytest.raises(StorageError) as refused:  # kept, as whoever reports it keeps it
            run.open()
    assert str(refused.value) == "no space left"
    run.open().folder.close()
