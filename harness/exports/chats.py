"""`messages` and `sharegpt`: one row per session, with the side to learn as the assistant.

A row ends before the first turn with a fault, since later turns answer that turn.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from harness.errors import ConfigError
from harness.exports.files import write_rows
from harness.exports.job import Job, Written, exporter
from harness.exports.rows import facts, faults, origin
from harness.exports.runs import ExportedRun
from harness.store.played import Played

_TAKES = ("split", "side", "faults", "where", "overrides")
_NAMES = {"system": "system", "user": "human", "assistant": "gpt"}


@exporter("messages", takes=_TAKES)
def messages(job: Job) -> Written:
    """Chat messages, the form that most trainers read."""
    return write_rows(job, _chats(job), lambda row: [message["content"] for message in row["messages"]])


@exporter("sharegpt", takes=_TAKES)
def sharegpt(job: Job) -> Written:
    """The same with ShareGPT's names."""
    return write_rows(job, map(_shared, _chats(job)), lambda row: [said["value"] for said in row["conversations"]])


def _shared(item: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    persona, row = item
    said = [{"from": _NAMES[message["role"]], "value": message["content"]} for message in row["messages"]]
    return persona, {"conversations": said, **{name: value for name, value in row.items() if name != "messages"}}


def _chats(job: Job) -> Iterator[tuple[str, dict[str, Any]]]:
    if job.overrides:
        raise ConfigError(f"{job.overrides[0]}: has no effect on this format, which renders nothing")
    for run, session in job.sessions():
        if job.wanted.where is not None and not job.wanted.where(facts(run, session)):
            job.counts.left_out["not in --where"] += 1
            continue
        row = _chat(job, run, session)
        if row is not None:
            job.counts.kept += 1
            yield session.spec.persona_id, row


def _chat(job: Job, run: ExportedRun, session: Played) -> dict[str, Any] | None:
    side = job.wanted.side
    bad = next(
        (
            turn.index
            for turn in session.turns
            if turn.speaker is side and any(fault not in job.wanted.faults for fault in faults(session, turn.index))
        ),
        None,
    )
    said = session.turns[:bad]
    if bad is not None:
        job.counts.left_out["turns from a faulty one on"] += len(session.turns) - bad
    while said and said[-1].speaker is not side:
        said = said[:-1]
    if not any(turn.speaker is side for turn in said):
        job.counts.left_out["sessions without a turn to learn"] += 1
        return None
    started = session.started.get(side) or {}
    listed = [
        *_one("system", started.get("system")),
        *(_one("user", started.get("opening")) if said[0].speaker is side else ()),
        *({"role": "assistant" if turn.speaker is side else "user", "content": turn.text} for turn in said),
    ]
    return {
        "messages": listed,
        "session_id": session.spec.session_id,
        "turns": [turn.index for turn in said],
        "whole": bad is None,
        **origin(run, session),
    }


def _one(role: str, text: str | None) -> Sequence[dict[str, str]]:
    return [{"role": role, "content": text}] if text else []
