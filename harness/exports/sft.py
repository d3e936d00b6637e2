"""`sft`: one row per view, with its completion. `kto`: the same with a label, good or bad."""

from collections.abc import Iterator
from typing import Any

from harness.exports.files import write_rows
from harness.exports.job import Job, Written, exporter
from harness.exports.rows import Fault, Wanted, facts, faults, rows
from harness.guard.findings import FAULTS

_COMMON = ("split", "overrides", "side", "where")


@exporter("sft", takes=(*_COMMON, "faults"))
def sft(job: Job) -> Written:
    """Prompt and completion, as messages and as ids, with mask and labels for the loss."""
    return write_rows(job, _sft(job), lambda row: (row["messages"][-1]["content"], row["completion"]))


@exporter("kto", takes=(*_COMMON, "label"))
def kto(job: Job) -> Written:
    """Prompt and completion as messages, and whether the turn is good.

    Without `--label`, a turn is bad if the guard found a fault in it, or if it is mended, cut off, empty or out of role:
    `sft` leaves such turns out, and here they are the negative examples.
    """
    written = write_rows(job, _kto(job), lambda row: (row["prompt"][-1]["content"], row["completion"][0]["content"]))
    if job.label is None:
        written.notes.append("label: false if the guard found a fault in the turn (--label EXPR chooses otherwise)")
    return written


def _sft(job: Job) -> Iterator[tuple[str, dict[str, Any]]]:
    for run in job.runs:
        prompts = job.prompts(run)
        for session in run.sessions():
            for row in rows(run, prompts, session, job.wanted, job.counts):
                yield session.spec.persona_id, row


def _kto(job: Job) -> Iterator[tuple[str, dict[str, Any]]]:
    every = Wanted(job.wanted.side, job.wanted.where, tuple(fault for fault in Fault if fault is not Fault.EMPTY))
    for run in job.runs:
        prompts = job.prompts(run)
        for session in run.sessions():
            for row in rows(run, prompts, session, every, job.counts):
                index = row["turn"]
                if job.label is not None:
                    good = job.label(facts(run, session, index))
                else:
                    good = not (set(row["findings"]) & FAULTS or faults(session, index))
                drop = ("messages", "completion", "input_ids", "labels", "completion_mask")
                rest = {name: value for name, value in row.items() if name not in drop}
                said = [{"role": "assistant", "content": row["completion"]}]
                yield session.spec.persona_id, {"prompt": row["messages"], "completion": said, "label": good, **rest}
