"""Runs to write into a folder: sessions whose turns and events follow from their ids alone."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.store.identity import config_hash
from harness.store.journal import read_journal
from harness.store.provenance import Hardware, Provenance
from harness.store.records import RunRecord, RunStatus
from harness.store.resume import Progress
from harness.store.run_dir import RunDir
from harness.types import Event, FinishReason, SessionResult, SessionSpec, Speaker, StopReason, Turn, View

ROOT = Path(__file__).resolve().parents[1]
"""Where a child process has to run to import the harness and these samples."""
PROVENANCE = Provenance(
    harness="0.1.0",
    git=None,
    python="3.11.7",
    os="Linux",
    packages={},
    hardware=Hardware(cpu="cpu", cores=2, ram_gib=1.0, gpus=()),
    environment={},
)


def record(config: dict[str, Any] | None = None, sessions: int = 0) -> RunRecord:
    settings = config or {"seed": 0}
    fresh = RunRecord(
        name="sample",
        status=RunStatus.RUNNING,
        started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        config=settings,
        config_hash=config_hash(settings),
        persona_hashes={"p": "0" * 64},
        provenance=PROVENANCE,
    )
    return fresh.model_copy(update={"totals": fresh.totals.model_copy(update={"sessions": sessions})})


def spec(number: int) -> SessionSpec:
    return SessionSpec(f"p-{number:03d}", "p", 1000 + number, number)


def turn(of: SessionSpec, index: int) -> Turn:
    speaker = Speaker.PATIENT if index % 2 == 0 else Speaker.THERAPIST
    return Turn(
        index,
        speaker,
        f"{of.session_id} says line {index}: how is *that* supposed to help?\nÄ # 1. ",
        prompt_tokens=100 + index,
        cached_tokens=64,
        completion_tokens=20,
        max_new_tokens=256,
        max_model_len=9000,
        finish_reason=FinishReason.STOP,
        latency_s=0.25,
        evicted_turns=index // 4,
        patient_state={"trust": index / 10, "said": ["x"]} if speaker is Speaker.PATIENT else None,
    )


def events(of: SessionSpec, index: int) -> tuple[Event, ...]:
    """What happens before turn `index` is whole."""
    if (of.index + index) % 3:
        return ()
    speaker = turn(of, index).speaker
    return (
        Event("retry", index, speaker, {"error": "timeout", "after_s": 0.5}),
        Event("loop", index, speaker, {"score": 0.9, "spans": [[0, 2]]}),
    )


def view(index: int) -> View:
    return View(pinned=2, first=index // 2, note=f"note {index}" if index > 3 else None)


def metrics(of: SessionSpec) -> dict[str, Any]:
    return {"distinct_2": 0.5, "by_speaker": {"patient": of.index}}


async def play(
    run_dir: RunDir, progress: Progress, specs: Sequence[SessionSpec], turns: int, pause_s: float = 0.0, spread: int = 0
) -> None:
    """Bring every session to its end, all at once, from where `progress` says that they are.

    Session `n` has `turns + n * spread` turns.
    """

    async def session(of: SessionSpec) -> None:
        if progress.state(of.session_id) is not None and of.session_id not in progress.in_progress:
            return
        before = progress.in_progress.get(of.session_id)
        if before is None:
            run_dir.start_session(of, patient={"system": "You are p."})
        said = list(before.turns) if before else []
        happened = list(before.events) if before else []
        while len(said) < turns + of.index * spread:
            for event in events(of, len(said)):
                run_dir.record_event(of.session_id, event)
                happened.append(event)
            await asyncio.sleep(pause_s)
            said.append(turn(of, len(said)))
            run_dir.record_turn(of.session_id, said[-1], view(len(said) - 1))
            await asyncio.sleep(pause_s)
        result = SessionResult(of, StopReason.MAX_EXCHANGES, tuple(said), tuple(happened))
        run_dir.finish_session(result, metrics(of))

    await asyncio.gather(*(session(of) for of in specs))


def journalled(folder: Path) -> list[dict[str, Any]]:
    """The events of a run folder."""
    return [event for _, event in read_journal(folder)]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        yield json.loads(line)


def by_id(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a sessions.jsonl or failures.jsonl by session; fails where a session stands there twice."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines(path):
        assert line["session_id"] not in found
        found[line["session_id"]] = line
    return found
