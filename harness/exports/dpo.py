"""`dpo`: pairs of answers to the same prompt, from branches of one turn or from sessions of one persona and seed.

The best and the worst session of each group are paired at the first turn in which they differ, if that turn is the
side's own and both got exactly the same prompt.

Invariants:
- A chosen turn never has a fault; a rejected one may.
- Sessions without a common prompt are not paired, and are counted.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from harness.errors import ConfigError
from harness.exports.files import write_rows
from harness.exports.job import Job, Written, exporter
from harness.exports.prompts import Prompts
from harness.exports.rows import completion_ids, facts, faults, findings, origin
from harness.exports.runs import ExportedRun
from harness.exports.where import Where
from harness.store.played import Played
from harness.types import Prompt

BATCH = 256
"""Number of groups whose sessions are in memory together."""
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """How good a session is."""

    run: ExportedRun
    session_id: str
    value: float
    error: float | None
    """Standard error of a judge's score if it was asked several times; else None."""


@exporter("dpo", takes=("split", "by", "margin", "side", "faults", "where"))
def dpo(job: Job) -> Written:
    """Preference pairs with their margin."""
    if job.overrides:
        raise ConfigError(f"{job.overrides[0]}: has no effect on dpo, whose prompts were sent")
    by = job.by or Where("reward", "--by")
    written = write_rows(job, _pairs(job, by), lambda row: (row["prompt"][-1]["content"], row["chosen"][0]["content"]))
    if job.by is None:
        written.notes.append(
            "better is: more reward (the patient's trust and hope less distress; --by EXPR chooses otherwise)"
        )
    return written


def _pairs(job: Job, by: Where) -> Iterator[tuple[str, dict[str, Any]]]:
    groups = iter(_groups(job, by))
    prompts = {run.path: job.prompts(run) for run in job.runs if not run.imported}
    while batch := list(islice(groups, BATCH)):
        sessions = _read(batch)
        for better, worse in batch:
            a, b = sessions[better.run.path, better.session_id], sessions[worse.run.path, worse.session_id]
            row = _pair(job, prompts, better, worse, a, b)
            if isinstance(row, str):
                job.counts.left_out[row] += 1
            else:
                job.counts.kept += 1
                yield a.spec.persona_id, row


def _groups(job: Job, by: Where) -> list[tuple[Value, Value]]:
    """The best and the worst session of every group whose values differ by more than the margin."""
    groups: defaultdict[Key, list[Value]] = defaultdict(list)
    for run, session in job.sessions():
        if run.imported:
            raise ConfigError(
                f"{run.path}: imported sessions share no prompts; dpo expects branches, or runs of one plan"
            )
        known = facts(run, session)
        if job.wanted.where is not None and not job.wanted.where(known):
            job.counts.left_out["not in --where"] += 1
            continue
        value = by.value(known)
        if value is None:
            job.counts.left_out["sessions without a value"] += 1
        elif not isinstance(value, int | float):
            raise ConfigError(f"--by: {by.text!r} gives {value!r}; expected a number")
        else:
            groups[_key(session)].append(Value(run, session.spec.session_id, float(value), _error(run, session, by)))
    found = []
    for members in groups.values():
        if len(members) < 2:
            job.counts.left_out["sessions with nothing to be compared with"] += 1
            continue
        worst, best = min(members, key=lambda one: one.value), max(members, key=lambda one: one.value)
        if best.value - worst.value <= job.margin:
            job.counts.left_out["groups that differ too little"] += 1
        else:
            found.append((best, worst))
    return found


def _key(session: Played) -> Key:
    branch = session.spec.branch
    if branch is None:
        return session.spec.persona_id, session.spec.seed
    return branch.run, branch.session_id, branch.turn


def _error(run: ExportedRun, session: Played, by: Where) -> float | None:
    """The standard error of a value, if `by` is a single score; else None."""
    judged = run.judged.get(session.spec.session_id)
    name = by.text.strip().removeprefix("scores.")
    if judged is None or name == by.text.strip():
        return None
    return judged.spread.get(name, judged.spread.get(name.replace("_", "-")))


def _read(batch: Sequence[tuple[Value, Value]]) -> dict[tuple[Any, str], Played]:
    wanted: defaultdict[Any, set[str]] = defaultdict(set)
    runs = {}
    for pair in batch:
        for one in pair:
            wanted[one.run.path].add(one.session_id)
            runs[one.run.path] = one.run
    return {
        (path, session_id): session
        for path, ids in wanted.items()
        for session_id, session in runs[path].archive.sessions(ids).items()
    }


def _pair(
    job: Job, prompts: Mapping[Any, Prompts], better: Value, worse: Value, a: Played, b: Played
) -> dict[str, Any] | str:
    """A row, or the reason why there is none."""
    side = job.wanted.side
    index = next((i for i, (x, y) in enumerate(zip(a.turns, b.turns, strict=False)) if x.text != y.text), None)
    if index is None:
        return "pairs with the same text"
    if a.turns[index].speaker is not side:
        return "pairs in which the other speaker differs first"
    if any(fault not in job.wanted.faults for fault in faults(a, index)):
        return "pairs whose better turn has a fault"
    first = _prompt(prompts[better.run.path], a, job, index)
    second = _prompt(prompts[worse.run.path], b, job, index)
    if first is None or second is None:
        return "pairs with a recorded turn"
    if first.messages != second.messages or list(first.ids or ()) != list(second.ids or ()):
        return "pairs whose prompts differ"
    said: dict[str, Any] = {}
    for name, one, session, prompt in (("chosen", better, a, first), ("rejected", worse, b, second)):
        turn = session.turns[index]
        ids, end = completion_ids(turn, session.sampled[index], prompt, prompts[one.run.path].renderer(session, side))
        said[name] = [{"role": "assistant", "content": turn.text}]
        said[f"{name}_ids"] = ids if end is None else [*ids, end]
        said[f"{name}_value"] = one.value
        said[f"{name}_session"] = session.spec.session_id
        said[f"{name}_findings"] = findings(session, index)
        said[f"{name}_config"] = one.run.record.config_hash
    return {
        "prompt": [{"role": message.role, "content": message.content} for message in first.messages],
        **said,
        "prompt_ids": list(first.ids or ()),
        "margin": better.value - worse.value,
        "confidence": confidence(better, worse),
        "by": job.by.text if job.by else "reward",
        "turn": index,
        "speaker": str(side),
        "max_model_len": first.max_model_len,
        **origin(better.run, a),
    }


def confidence(better: Value, worse: Value) -> float | None:
    """Probability that the better session is better, by the normal approximation with both standard errors; None if they
    are not known."""
    if better.error is None or worse.error is None:
        return None
    error = math.hypot(better.error, worse.error)
    return 1.0 if error == 0 else round(0.5 * (1 + math.erf((better.value - worse.value) / error / math.sqrt(2))), 4)


def _prompt(prompts: Prompts, session: Played, job: Job, index: int) -> Prompt | None:
    return next((prompt for at, prompt in prompts.of(session, job.wanted.side) if at == index), None)
